"""Show a person what a run answered: a table of some samples, and a contact sheet of the pictures it drew.

Reads the files of a run; scores nothing.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from contest.items import Sample
from contest.limits import INPUT_DIR, INPUT_NAME, OUTPUT_DIR, PREDICTIONS_NAME
from contest.pictures import open_picture, resolve_picture
from contest.reading import read_input, read_predictions

QUESTION_WIDTH, ANSWER_WIDTH = 70, 44
COLUMNS = 6
CELL_INCHES = 1.9


def spread(ids: Sequence[str], count: int) -> list[str]:
    """Pick `count` ids evenly over the sequence, so that a preview shows more than its first samples."""
    if len(ids) <= count:
        return list(ids)
    return [ids[i * len(ids) // count] for i in range(count)]


def table(samples: Mapping[str, Sample], answers: Mapping[str, Sample], count: int) -> str:
    """A plain table: id, what was asked, what was answered."""
    lines = [f"{'id':>6}  {'asked':<{QUESTION_WIDTH}}  answered"]
    for sample_id in spread([key for key in samples if key in answers], count):
        asked = " | ".join(["[picture]"] * samples[sample_id].has_image + list(samples[sample_id].texts))
        answered = " | ".join(answers[sample_id].texts) + (" | [picture]" if answers[sample_id].has_image else "")
        short = textwrap.shorten(asked, QUESTION_WIDTH, placeholder=" ...")
        lines.append(f"{sample_id:>6}  {short:<{QUESTION_WIDTH}}  {textwrap.shorten(answered, 2 * ANSWER_WIDTH)}")
    return "\n".join(lines)


def contact_sheet(samples: Mapping[str, Sample], answers: Mapping[str, Sample], root: Path, path: Path) -> int:
    """Draw the pictures of a run, each above what was asked, into one PNG; returns how many there are.

    A text-only sample of any task has a picture. Short texts come first: a drawing task's text is a caption, and a
    question with its passage is longer.
    """
    import matplotlib

    matplotlib.use("Agg")  # no window, whatever the machine has
    import matplotlib.pyplot as plt

    drawn = [key for key in samples if key in answers and answers[key].images]
    drawn.sort(key=lambda key: sum(len(text) for text in samples[key].texts))
    shown = drawn[: COLUMNS * 6]
    if not shown:
        return 0
    rows = -(-len(shown) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(COLUMNS * CELL_INCHES, rows * CELL_INCHES * 1.35), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, key in zip(axes.flat, shown, strict=False):
        axis.imshow(open_picture(resolve_picture(root, answers[key].images[0])))
        asked = textwrap.shorten(" ".join(samples[key].texts), 90, placeholder=" ...")
        axis.set_title(textwrap.fill(f"{key}: {asked}", 27), fontsize=6, pad=3, parse_math=False)  # "$" is a dollar
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return len(drawn)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--input", type=Path, default=Path(INPUT_DIR), help="folder with input.json")
    parser.add_argument("--output", type=Path, default=Path(OUTPUT_DIR), help="folder with predictions.json")
    parser.add_argument("--samples", type=int, default=24, help="rows of the table")


def show(arguments: argparse.Namespace) -> int:
    """Print the table and where the files lie; write `contact_sheet.png` beside the predictions."""
    output: Path = arguments.output
    samples = read_input(arguments.input / INPUT_NAME)
    answers = read_predictions(output / PREDICTIONS_NAME)
    print(table(samples, answers, arguments.samples))
    sheet = output / "contact_sheet.png"
    pictures = contact_sheet(samples, answers, output, sheet)
    print(f"\nanswers: {output / PREDICTIONS_NAME} ({len(answers)} samples)")
    if pictures:
        print(f"pictures: {output / 'images'} ({pictures}), contact sheet: {sheet}")
    return 0
