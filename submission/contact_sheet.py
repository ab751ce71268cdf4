"""What a run answered, for people: a table, and one sheet of pictures, first of all those that were asked for.

A text-only sample of any task has a picture. Which ones were asked for, a file of scores says, else the wording.
"""

from __future__ import annotations

import json
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contest.console import one_line
from contest.drawing import asks_for_drawing, description
from contest.errors import ContestError
from contest.items import Sample
from contest.pictures import open_picture, resolve_picture
from contest.stand_ins import stand_in_at, stand_in_of_data
from contest.tasks import TASKS
from errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUESTION_WIDTH, ANSWER_WIDTH = 70, 88
SHEET_INCHES, MARGIN, HEADING, GAP = 12.0, 0.2, 0.4, 0.12
DOTS_PER_INCH = 120


class ScoresFileError(UserError):
    """A file holds no scores."""


@dataclass(frozen=True)
class ContactSheet:
    """Which samples' pictures are shown, of how many: those that were asked for, and others."""

    asked: Sequence[str]
    asked_in_all: int
    others: Sequence[str]
    others_in_all: int


@dataclass(frozen=True)
class _Layout:
    """Pictures in a row, and lines of text under each, of so many characters."""

    columns: int
    lines: int
    characters: int
    points: float

    @property
    def side(self) -> float:
        """Of a picture, in inches."""
        return (SHEET_INCHES - 2 * MARGIN - (self.columns - 1) * GAP) / self.columns

    @property
    def text(self) -> float:
        """Height of the text under a picture, in inches."""
        return (self.lines + 1.6) * self.points * 1.25 / 72

    def height(self, pictures: int) -> float:
        """Of a section with its heading, in inches."""
        return HEADING + -(-pictures // self.columns) * (self.side + self.text) if pictures else 0.0


_ASKED = _Layout(columns=6, lines=4, characters=27, points=7.5)
_OTHERS = _Layout(columns=10, lines=2, characters=22, points=5.5)


def read_scores(path: Path) -> dict[str, float]:
    """Read what `evaluation score --json` wrote: the scores of the tasks that ask for a drawing, by sample id.

    Raises ScoresFileError for another file, OSError.
    """
    asking = [task.key for task in TASKS if task.kind == "text_to_image"]
    try:
        tasks = json.loads(path.read_text("utf-8"))["tasks"]
        return {
            str(key): float(score) for task in asking if task in tasks for key, score in tasks[task]["samples"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if (instead := stand_in_at(path, stand_in_of_data)) is not None:
            raise ScoresFileError(f"{path} is no result: {instead}") from error
        raise ScoresFileError(f"{path} is no result", "give a file that `evaluation score --json` wrote") from error


def choose_pictures(
    samples: Mapping[str, Sample], answers: Mapping[str, Sample], scores: Mapping[str, float] | None, most: int
) -> ContactSheet:
    """Choose at most `most` pictures that were asked for, from all over them, and one row of the others.

    They stand in the order of their ids, numbers by their value.
    """
    drawn = sorted((key for key in samples if key in answers and answers[key].images), key=_by_value)
    asked, others = list[str](), list[str]()
    for key in drawn:
        texts = samples[key].texts
        (asked if (asks_for_drawing(texts) if scores is None else key in scores) else others).append(key)
    return ContactSheet(spread(asked, most), len(asked), spread(others, _OTHERS.columns), len(others))


def spread(ids: Sequence[str], count: int) -> list[str]:
    """Pick `count` ids evenly over the sequence, so that a preview shows more than its first samples."""
    if len(ids) <= count:
        return list(ids)
    return [ids[i * len(ids) // count] for i in range(count)]


def shortened(text: str, width: int) -> str:
    """Return a text on one line, with nothing in it that a terminal obeys, cut to a width."""
    line = one_line(" ".join(text.split()))
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"


def answers_table(samples: Mapping[str, Sample], answers: Mapping[str, Sample], count: int) -> str:
    """Return a plain table: id, what was asked, what was answered."""
    lines = [f"{'id':>6}  {'asked':<{QUESTION_WIDTH}}  answered"]
    for sample_id in spread([key for key in samples if key in answers], count):
        asked = " | ".join(["[picture]"] * samples[sample_id].has_image + list(samples[sample_id].texts))
        answered = " | ".join(answers[sample_id].texts) + (" | [picture]" if answers[sample_id].has_image else "")
        name, short = shortened(sample_id, QUESTION_WIDTH), shortened(asked, QUESTION_WIDTH)
        lines.append(f"{name:>6}  {short:<{QUESTION_WIDTH}}  {shortened(answered, ANSWER_WIDTH)}")
    return "\n".join(lines)


def draw_sheet(
    sheet: ContactSheet,
    samples: Mapping[str, Sample],
    answers: Mapping[str, Sample],
    scores: Mapping[str, float] | None,
    path: Path,
) -> None:
    """Draw the sheet into a PNG: each picture above its id, its score and what was asked.

    The answers' paths are relative to that PNG's folder. Raises OSError.
    """
    import matplotlib

    matplotlib.use("Agg")  # no window, whatever the machine has
    import matplotlib.pyplot as plt

    sections = (
        (_ASKED, sheet.asked, f"Asked for: {_of(sheet.asked, sheet.asked_in_all)}"),
        (
            _OTHERS,
            sheet.others,
            f"Drawn for other samples, which did not ask for it: {_of(sheet.others, sheet.others_in_all)}",
        ),
    )
    height = 2 * MARGIN + sum(layout.height(len(keys)) for layout, keys, _ in sections)
    figure = plt.figure(figsize=(SHEET_INCHES, height))
    try:
        top = height - MARGIN
        for layout, keys, heading in sections:
            if keys:
                figure.text(
                    MARGIN / SHEET_INCHES, (top - 0.2) / height, heading, fontsize=11, weight="bold", va="center"
                )
            for number, key in enumerate(keys):
                row, column = divmod(number, layout.columns)
                left = MARGIN + column * (layout.side + GAP)
                below = top - HEADING - row * (layout.side + layout.text) - layout.side
                box = (left / SHEET_INCHES, below / height, layout.side / SHEET_INCHES, layout.side / height)
                score = None if scores is None else scores.get(key)
                _draw_cell(figure.add_axes(box), layout, samples[key], answers[key], score, path.parent)
            top -= layout.height(len(keys))
        with warnings.catch_warnings():  # a sign that the font does not have is drawn as a box
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(path, dpi=DOTS_PER_INCH)
    finally:
        plt.close(figure)


def _draw_cell(axes: Axes, layout: _Layout, asked: Sample, answer: Sample, score: float | None, root: Path) -> None:
    axes.set_axis_off()
    try:
        axes.imshow(open_picture(resolve_picture(root, answer.images[0])))
    except ContestError as error:
        axes.text(0.5, 0.5, textwrap.fill(error.code.meaning, 24), ha="center", va="center", fontsize=layout.points)
    name = f"{shortened(asked.id, 20)}" + ("" if score is None else f"   score {score:.3f}")
    lines = textwrap.wrap(shortened(description(asked.texts), 1000), layout.characters)
    if len(lines) > layout.lines:
        lines = [*lines[: layout.lines - 1], shortened(" ".join(lines[layout.lines - 1 :]), layout.characters)]
    line = layout.points * 1.25 / 72 / layout.side  # of the picture's height
    options: dict[str, Any] = {
        "transform": axes.transAxes,
        "va": "top",
        "parse_math": False,  # "$" is a dollar
        "fontsize": layout.points,
    }
    axes.text(0, -0.3 * line, name, weight="bold", **options)
    axes.text(0, -1.3 * line, "\n".join(lines), linespacing=1.15, **options)


def _of(shown: Sequence[str], in_all: int) -> str:
    return f"{in_all}" if len(shown) == in_all else f"{len(shown)} of {in_all}"


def _by_value(sample_id: str) -> tuple[bool, int, str]:
    is_number = sample_id.isascii() and sample_id.isdigit()
    return (not is_number, int(sample_id) if is_number and len(sample_id) < 100 else 0, sample_id)
