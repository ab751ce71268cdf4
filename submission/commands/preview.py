"""`submission preview`: show a person what a run answered. Reads the files of a run; scores nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, whole
from contest.console import show
from contest.limits import IMAGES_DIR, INPUT_DIR, INPUT_NAME, OUTPUT_DIR, PREDICTIONS_NAME

SHEET_NAME = "contact_sheet.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `preview`."""
    add = parser.add_argument
    add("--input", type=Path, metavar="DIR", default=Path(INPUT_DIR), help="folder with input.json")
    add("--output", type=Path, metavar="DIR", default=Path(OUTPUT_DIR), help="folder with predictions.json")
    add("--samples", type=whole(least=0), metavar="N", default=24, help="rows of the table")
    add("--pictures", type=whole(least=0), metavar="N", default=48, help="pictures asked for, on the contact sheet")
    add(
        "--scores",
        type=Path,
        metavar="FILE",
        help="what `evaluation score --json` wrote: scores, and who asked for pictures (default: by the wording)",
    )
    parser.set_defaults(run=preview)


def preview(options: argparse.Namespace) -> int:
    """Print the table and where the files lie; write `contact_sheet.png` next to the predictions."""
    from contest.reading import read_input, read_predictions
    from submission.contact_sheet import answers_table, choose_pictures, draw_sheet, read_scores

    output: Path = options.output
    samples = read_input(options.input / INPUT_NAME)
    answers = read_predictions(output / PREDICTIONS_NAME)
    scores = None if options.scores is None else read_scores(options.scores)
    sheet = choose_pictures(samples, answers, scores, options.pictures)
    drawn = sheet.asked_in_all + sheet.others_in_all
    if drawn:
        draw_sheet(sheet, samples, answers, scores, output / SHEET_NAME)
    show(answers_table(samples, answers, options.samples))
    show(f"\nanswers: {output / PREDICTIONS_NAME} ({len(answers)} samples)")
    if drawn:
        show(
            f"pictures: {output / IMAGES_DIR} ({drawn}, {sheet.asked_in_all} of them asked for), "
            f"contact sheet: {output / SHEET_NAME}"
        )
    return DONE
