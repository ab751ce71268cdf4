"""The twelve tasks, their weights and bounds, and the integral score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Literal, TypeAlias

from contest.errors import Code, ContestError, ContestFileError, quote

TaskKind: TypeAlias = Literal["text_to_text", "text_to_image", "image_to_text"]
MetricName: TypeAlias = Literal[
    "token_f1", "exact_match", "ruclip_and_fid", "meteor_and_ruclip", "meteor_with_numbers", "one_minus_ned"
]


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the contest.

    Attributes:
        id: 0 to 11, as in `ids.json`.
        key: the name used in code, files and tables, such as `textqa` or `hidden1`.
        title: the organisers' name.
        kind: what goes in and what comes out.
        weight: its share of the integral score (exact: 1/15 open, 1/10 hidden).
        baseline: the score of the organisers' baseline, RUDOLPH-2.7B-FBC2.
        threshold: the score an open task must reach to be eligible for a prize; None for hidden tasks.
        metric: the name of its metric.
        variant_of: for a hidden task, the key of the open task it is a variant of; None for open tasks.

    Raises:
        ValueError: if a score lies outside [0, 1] or an open task lacks its threshold.

    """

    id: int
    key: str
    title: str
    kind: TaskKind
    weight: Fraction
    baseline: float
    threshold: float | None
    metric: MetricName
    variant_of: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.baseline <= 1 or not 0 <= (self.threshold or 0) <= 1 or not 0 < self.weight <= 1:
            raise ValueError(f"task {self.key}: baseline, threshold and weight must lie in [0, 1]")
        if (self.threshold is None) != self.is_hidden:
            raise ValueError(f"task {self.key}: open tasks have a threshold and hidden tasks have none")

    @property
    def is_hidden(self) -> bool:
        """Whether the contest shows this task only by its score."""
        return self.variant_of is not None


_OPEN_WEIGHT = Fraction(1, 15)
_HIDDEN_WEIGHT = Fraction(1, 10)

OPEN_TASKS: tuple[Task, ...] = (
    Task(0, "textqa", "TextQA", "text_to_text", _OPEN_WEIGHT, 0.25, 0.20, "token_f1"),
    Task(1, "mathqa", "MathQA", "text_to_text", _OPEN_WEIGHT, 0.31, 0.25, "exact_match"),
    Task(2, "generation", "ImageGeneration", "text_to_image", _OPEN_WEIGHT, 0.28, 0.21, "ruclip_and_fid"),
    Task(3, "captioning", "ImageCaptioning", "image_to_text", _OPEN_WEIGHT, 0.23, 0.15, "meteor_and_ruclip"),
    Task(4, "vqa", "VisualQA", "image_to_text", _OPEN_WEIGHT, 0.34, 0.24, "meteor_with_numbers"),
    Task(5, "text_recognition", "TRitW", "image_to_text", _OPEN_WEIGHT, 0.36, 0.13, "one_minus_ned"),
)
_HIDDEN_BASELINES = (0.20, 0.20, 0.27, 0.17, 0.30, 0.11)
HIDDEN_TASKS: tuple[Task, ...] = tuple(
    Task(
        id=len(OPEN_TASKS) + task.id,
        key=f"hidden{number}",
        title=f"Hidden{number}",
        kind=task.kind,
        weight=_HIDDEN_WEIGHT,
        baseline=baseline,
        threshold=None,
        metric=task.metric,
        variant_of=task.key,
    )
    for number, (task, baseline) in enumerate(zip(OPEN_TASKS, _HIDDEN_BASELINES, strict=True), start=1)
)
TASKS: tuple[Task, ...] = OPEN_TASKS + HIDDEN_TASKS

_BY_KEY = {task.key: task for task in TASKS}


def task_by_id(task_id: int) -> Task:
    """Return the task with this id (0 to 11). Raises ContestError (TASK_UNKNOWN)."""
    if not 0 <= task_id < len(TASKS):
        raise ContestError(Code.TASK_UNKNOWN, f"there is no task {task_id}")
    return TASKS[task_id]


def task_by_key(key: str) -> Task:
    """Return the task with this key. Raises ContestError (TASK_UNKNOWN)."""
    if key not in _BY_KEY:
        raise ContestError(Code.TASK_UNKNOWN, f"there is no task {quote(key)}", remedy=f"keys: {', '.join(_BY_KEY)}")
    return _BY_KEY[key]


def integral_score(scores: Mapping[str, float]) -> float:
    """Return S = 1/15 sum(open six) + 1/10 sum(hidden six), within [0, 1], from the score of every task by its key.

    The sum is exact and rounded once, so that the order of tasks can not change S.
    Raises ContestFileError naming each missing, unknown and out-of-range (or NaN) score.
    """
    errors = [
        ContestError(Code.SCORE_MISSING, f"task {task.key} has no score") for task in TASKS if task.key not in scores
    ]
    given: Mapping[str, object] = scores  # who calls may have read them from a file
    for key, score in given.items():
        if key not in _BY_KEY:
            errors.append(ContestError(Code.SCORE_UNKNOWN, f"there is no task {quote(str(key))}"))
        elif isinstance(score, bool) or not isinstance(score, Real) or not 0 <= float(score) <= 1:  # NaN too
            errors.append(ContestError(Code.SCORE_OUT_OF_RANGE, f"the score of {key} is {score!r}"))
    if errors:
        raise ContestFileError(errors)
    return float(sum(task.weight * Fraction(float(scores[task.key])) for task in TASKS))
