"""Builds the page of a run of the first challenge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest.writing import write_bytes
from evaluation.co2 import read_emissions
from evaluation.first_challenge.files import find_file, read_file
from evaluation.first_challenge.scoring import ChallengeResult, SubtaskResult, sample_scores
from evaluation.metrics.fbc1.overall import MINIMA, MINIMUM, PUBLISHED_CO2, prize
from evaluation.report.build import REPORT_NAME, template_environment
from evaluation.report.notes import NOTES_NAMED
from evaluation.report.samples import REFERENCES, SampleCard, Side, extreme_ids, shortened


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One kind of fault of a subtask: how many samples have it, and the first of them."""

    subtask: str
    message: str
    named: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class SubtaskSamples:
    """Samples of a subtask that the page shows."""

    subtask: str
    best: tuple[SampleCard, ...]
    worst: tuple[SampleCard, ...]


def build_challenge_report(
    result: ChallengeResult,
    folder: Path,
    *,
    predictions: Path,
    truth: Path,
    place: int | None = None,
    emissions: Sequence[Path] = (),
) -> Path:
    """Write `report.html` into a folder (made if it is not there) and return its path.

    Args:
        result: what was scored.
        folder: where the report goes.
        predictions: the folder of the predictions that were scored, for the samples' texts.
        truth: the folder of the truth.
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
        samples=[subtask_samples(it, predictions, truth) for it in result.subtasks.values() if it.score is not None],
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


def subtask_samples(result: SubtaskResult, predictions: Path, truth: Path) -> SubtaskSamples:
    """Return the samples of a subtask that do best and worst alone. Raises ChallengeFileError if a file is gone."""
    true, given = _read(truth, "true", result.subtask), _read(predictions, "prediction", result.subtask)
    scores = sample_scores(result)
    notes: dict[str, list[str]] = {}
    for note in result.notes:
        notes.setdefault(note.sample_id, []).append(note.message)

    def card(name: str) -> SampleCard:
        asked, references = _sides_of_truth(true.get(name))
        answer = Side((_text(given[name]),)) if name in given else Side(is_there=False)
        return SampleCard(name, scores[name], asked, answer, references, tuple(notes.get(name, ())))

    best, worst = extreme_ids(scores)
    return SubtaskSamples(result.subtask, tuple(map(card, best)), tuple(map(card, worst)))


def _read(folder: Path, kind: str, subtask: str) -> dict[str, Any]:
    path = find_file(folder, kind, subtask) or folder / f"{kind}_{subtask}.json"
    value = read_file(path)
    return value if isinstance(value, dict) else {}


def _sides_of_truth(entry: Any) -> tuple[Side, Side]:
    """Return the question, which only VisualQA's truth has, and the references of a sample."""
    if not isinstance(entry, dict) or "answer" not in entry:
        return Side(is_there=False), Side((_text(entry),))
    answers = entry["answer"] if isinstance(entry["answer"], list) else [entry["answer"]]
    asked = Side((_text(entry["question"]),)) if "question" in entry else Side(is_there=False)
    return asked, Side(tuple(map(_text, answers[:REFERENCES])), more=max(0, len(answers) - REFERENCES))


def _text(value: Any) -> str:
    """Return what a person reads of a JSON value: a text itself, boxes a label a line."""
    if isinstance(value, dict):
        lines = (f"{label}: {json.dumps(boxes, ensure_ascii=False)}" for label, boxes in value.items())
        return shortened("\n".join(lines))
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
