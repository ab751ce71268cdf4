"""Show a person what a run answered: a table of some samples, and a contact sheet of the pictures it drew.

Reads the files of a run; scores nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from contest import console
from contest.console import one_line
from contest.items import Sample
from contest.limits import IMAGES_DIR, INPUT_DIR, INPUT_NAME, OUTPUT_DIR, PREDICTIONS_NAME
from contest.reading import read_input, read_predictions
from submission.contact_sheet import choose, draw_sheet, read_scores, shortened, spread

QUESTION_WIDTH, ANSWER_WIDTH = 70, 88
SHEET_NAME = "contact_sheet.png"


def table(samples: Mapping[str, Sample], answers: Mapping[str, Sample], count: int) -> str:
    """A plain table: id, what was asked, what was answered."""
    lines = [f"{'id':>6}  {'asked':<{QUESTION_WIDTH}}  answered"]
    for sample_id in spread([key for key in samples if key in answers], count):
        asked = " | ".join(["[picture]"] * samples[sample_id].has_image + list(samples[sample_id].texts))
        answered = " | ".join(answers[sample_id].texts) + (" | [picture]" if answers[sample_id].has_image else "")
        name, short = shortened(sample_id, QUESTION_WIDTH), shortened(asked, QUESTION_WIDTH)
        lines.append(f"{name:>6}  {short:<{QUESTION_WIDTH}}  {shortened(answered, ANSWER_WIDTH)}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--input", type=Path, default=Path(INPUT_DIR), help="folder with input.json")
    parser.add_argument("--output", type=Path, default=Path(OUTPUT_DIR), help="folder with predictions.json")
    parser.add_argument("--samples", type=_count, default=24, help="rows of the table")
    parser.add_argument("--pictures", type=_count, default=48, help="pictures on the contact sheet that were asked for")
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FILE",
        help="what `evaluation score --json` wrote: tells which pictures were asked for, and their scores",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{one_line(text)} is no count; give a whole number, 0 or more")
    return int(text)


def show(arguments: argparse.Namespace) -> int:
    """Print the table and where the files lie; write `contact_sheet.png` beside the predictions."""
    output: Path = arguments.output
    samples = read_input(arguments.input / INPUT_NAME)
    answers = read_predictions(output / PREDICTIONS_NAME)
    scores = None if arguments.scores is None else read_scores(arguments.scores)
    sheet = choose(samples, answers, scores, arguments.pictures)
    drawn = sheet.asked_in_all + sheet.others_in_all
    if drawn:
        draw_sheet(sheet, samples, answers, scores, output / SHEET_NAME)
    console.show(table(samples, answers, arguments.samples))
    console.show(f"\nanswers: {output / PREDICTIONS_NAME} ({len(answers)} samples)")
    if drawn:
        console.show(
            f"pictures: {output / IMAGES_DIR} ({drawn}, {sheet.asked_in_all} of them asked for), "
            f"contact sheet: {output / SHEET_NAME}"
        )
    return 0
