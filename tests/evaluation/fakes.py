"""A metric of one line and a test set of any size, for tests of everything around metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from contest.tasks import TASKS, Task
from evaluation.joining import ScoringFiles
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.results import Result, TaskResult


class Equality(TaskMetric):
    """1 where the answer is the reference, letter by letter; 0 with a note where there is no answer."""

    name = "equality"

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        scores, notes = [], []
        for case in cases:
            if case.answer is None:
                notes.append(Note(case.id, None, "there is no answer"))
            scores.append(float(case.answer is not None and case.answer.texts[:1] == case.truth.texts[:1]))
        return scores, notes


def equality_of(mode: Mode = "official"):
    def metric_of(task: Task) -> TaskMetric:
        return Equality(mode=mode)

    return metric_of


def text(content: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": content}]


def write_files(
    folder: Path,
    ids: Mapping[str, int],
    *,
    answers: Mapping[str, object] | None = None,
    truths: Mapping[str, object] | None = None,
    asked: Mapping[str, object] | None = None,
) -> ScoringFiles:
    """Write a test set whose references are all `yes`; so are the answers, unless others are given."""
    contents = {
        "ids.json": ids,
        "ground_truth.json": {key: [{"type": "text", "content": ["yes"]}] for key in ids} if truths is None else truths,
        "predictions.json": {key: text("yes") for key in ids} if answers is None else answers,
        "input.json": {key: text("?") for key in ids} if asked is None else asked,
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content), "utf-8")
    return ScoringFiles(folder / "predictions.json", folder / "ground_truth.json", folder / "ids.json", folder)


def result_of(
    samples: Mapping[str, Sequence[float]],
    *,
    mode: Mode = "official",
    signature: str = "equality|v:1",
    test: str = "t",
    integral: float | None = None,
) -> Result:
    """A result with these per-sample scores of each task, without intervals."""
    tasks = {
        key: TaskResult(key, sum(scores) / len(scores), signature, {str(i): score for i, score in enumerate(scores)})
        for key, scores in samples.items()
    }
    return Result(mode, test, tasks, integral)


def whole_result(score: float, **options: object) -> Result:
    """A result of two samples in each of the twelve tasks, every score and S the same."""
    return result_of({task.key: [score, score] for task in TASKS}, integral=score, **options)  # type: ignore[arg-type]
