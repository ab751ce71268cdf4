"""Builds the page of a run of the first challenge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contest.writing import write_bytes
from evaluation.co2 import read_emissions
from evaluation.first_challenge.scoring import ChallengeResult
from evaluation.metrics.fbc1.overall import MINIMA, MINIMUM, PUBLISHED_CO2, prize
from evaluation.report.build import REPORT_NAME, template_environment
from evaluation.report.notes import NOTES_NAMED


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One kind of fault of a subtask: how many samples have it, and the first of them."""

    subtask: str
    message: str
    named: tuple[str, ...]
    number: int


def build_challenge_report(
    result: ChallengeResult, folder: Path, *, place: int | None = None, emissions: Sequence[Path] = ()
) -> Path:
    """Write `report.html` into a folder (made if it is not there) and return its path.

    Args:
        result: what was scored.
        folder: where the report goes.
        place: the place whose prize is shown.
        emissions: eco2AI's files of the training, shown below those of the published baseline.

    Raises ContestError if it can not be written, EmissionsError for a file that is not eco2AI's, OverallError for a
    place below 1.

    """
    roubles = None
    if place is not None and result.total is not None:
        roubles = prize(result.total.total, place) if not result.total.below else 0
    page = template_environment().get_template("first_challenge.html").render(
        result=result,
        minima=MINIMA,
        minimum=MINIMUM,
        place=place,
        roubles=roubles,
        noted=fault_rows(result),
        published=PUBLISHED_CO2,
        emissions=tuple(read_emissions(path) for path in emissions),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_NAME
    write_bytes(path, page.encode("utf-8", errors="replace"))
    return path


def fault_rows(result: ChallengeResult) -> list[FaultRow]:
    """Return the faults that cost samples their score, by subtask and kind."""
    found: dict[tuple[str, str], list[str]] = {}
    for subtask in result.subtasks.values():
        for note in subtask.notes:
            if note.is_fault:
                found.setdefault((subtask.subtask, note.message), []).append(note.sample_id)
    return [FaultRow(subtask, message, tuple(ids[:NOTES_NAMED]), len(ids)) for (subtask, message), ids in found.items()]
