"""A run's four scores, with intervals and signatures, and their sum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import UserError
from evaluation.first_challenge.files import ChallengeFileError, find_file, read_file, subtasks_of
from evaluation.first_challenge.intervals import (
    ScoreInterval,
    Units,
    box_units,
    sample_units,
    score_interval,
    total_interval,
)
from evaluation.metrics.fbc1.counts import Counted, Fbc1Mode, SampleNote, ratio
from evaluation.metrics.fbc1.detection import HIT, count_boxes, f1
from evaluation.metrics.fbc1.errors import UnscorableError
from evaluation.metrics.fbc1.handwriting import count_readings
from evaluation.metrics.fbc1.overall import DECIMALS, MINIMA, Overall, overall
from evaluation.metrics.fbc1.python_trees import grammar_name
from evaluation.metrics.fbc1.questions import count_answers
from evaluation.metrics.fbc1.translation import count_code, score_code, score_parts
from evaluation.metrics.normalisation import LEMMAS
from evaluation.statistics import Resampling

VERSION = 1


@dataclass(frozen=True, slots=True)
class SubtaskResult:
    """What one subtask got.

    Attributes:
        subtask: its name.
        score: rounded to three decimals, as it enters the sum; None where the published script ends with an error.
        signature: all that the score depends on.
        test: fingerprint of the truth; only scores of one test set may be compared.
        interval: 95 % confidence interval; None for a single sample, and without a score.
        statistics: how that was made, which is none of the score's signature.
        ids: its samples, in the truth's order.
        rows: their counts, which the score is a function of the sums of.
        parts: what the score is made of, such as CodeBLEU's four.
        notes: what struck which sample (mode `strict`).
        failure: why there is no score.

    """

    subtask: str
    score: float | None
    signature: str
    test: str = ""
    interval: tuple[float, float] | None = None
    statistics: str = ""
    ids: tuple[str, ...] = ()
    rows: tuple[tuple[float, ...], ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[SampleNote, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeResult:
    """What a run got; `total` is None unless all four subtasks have a score, and so is its interval."""

    mode: Fbc1Mode
    subtasks: Mapping[str, SubtaskResult]
    total: Overall | None

    @property
    def total_interval(self) -> tuple[float, float] | None:
        """The interval of the sum."""
        if self.total is None:
            return None
        return total_interval(self.total.scores, {name: it.interval for name, it in self.subtasks.items()})

    @property
    def has_errors(self) -> bool:
        """Whether a subtask has no score, or a sample lost its score to what its prediction is."""
        return any(it.failure or any(note.is_fault for note in it.notes) for it in self.subtasks.values())


@dataclass(frozen=True, slots=True)
class _Metric:
    """How a subtask is scored: counts of samples, `width` of each, and the score of their sums.

    `settings` are what else it depends on, `parts` what it is made of, `units` what it is a mean of (None: of nothing).
    """

    count: Callable[[Any, Any, Fbc1Mode], Counted]
    score: Callable[[Sequence[float]], float]
    width: int
    settings: Callable[[], Mapping[str, str]]
    parts: Callable[[Sequence[float]], Mapping[str, float]] = lambda sums: {}
    units: Units | None = None


_METRICS: Mapping[str, _Metric] = {
    "C2C": _Metric(count_code, score_code, 24, lambda: {"grammar": f"{grammar_name()}-shaped-as-abi-11"}, score_parts),
    "HTR": _Metric(count_readings, ratio, 2, dict, units=sample_units),
    "zsOD": _Metric(count_boxes, f1, 3, lambda: {"iou": f"{HIT:g}"}, units=box_units),
    "VQA": _Metric(count_answers, ratio, 2, lambda: {"lemmas": LEMMAS}, units=sample_units),
}


def score_of(subtask: str) -> Callable[[Sequence[float]], float]:
    """Return the function from sums of a subtask's counts to its score, not rounded."""
    return _METRICS[subtask].score


def sample_scores(result: SubtaskResult) -> dict[str, float]:
    """Return what the score would be of each sample alone; images without any box, which have none, are left out."""
    score = score_of(result.subtask)
    alone = {name: (score(row), row) for name, row in zip(result.ids, result.rows, strict=True)}
    return {name: value for name, (value, row) in alone.items() if any(row)}


def is_share(subtask: str) -> bool:
    """Return whether a subtask's score is the share of its samples that are right: rows of (right, 1)."""
    return _METRICS[subtask].units is sample_units


def width_of(subtask: str) -> int:
    """Return how many counts a sample of a subtask has."""
    return _METRICS[subtask].width


def score_challenge(predictions: Path, truth: Path, mode: Fbc1Mode, resampling: Resampling) -> ChallengeResult:
    """Score the subtasks that there is a truth of.

    Args:
        predictions: folder of `prediction_NAME.json`.
        truth: folder of `true_NAME.json`.
        mode: `official`: where their script ends with an error, the subtask has no score; `strict`: their rules.
        resampling: how intervals are made.

    Raises:
        ChallengeFileError: if no truth is there, or a file is no JSON.
        GrammarMissingError: if CodeBLEU's parser is not installed.
        UnscorableError: if no subtask can be scored.

    """
    results: dict[str, SubtaskResult] = {}
    failures: list[UserError] = []
    for subtask in subtasks_of(truth):
        try:
            results[subtask] = _scored(subtask, predictions, truth, mode, resampling)
        except (UnscorableError, ChallengeFileError) as error:
            failures.append(error)
            results[subtask] = SubtaskResult(subtask, None, _signature(subtask, mode), failure=str(error))
    if len(failures) == len(results):
        raise failures[0]
    scores = {name: result.score for name, result in results.items() if result.score is not None}
    return ChallengeResult(mode, results, overall(scores) if scores.keys() == MINIMA.keys() else None)


def _scored(subtask: str, predictions: Path, truth: Path, mode: Fbc1Mode, resampling: Resampling) -> SubtaskResult:
    path = find_file(predictions, "prediction", subtask)
    if path is None:
        missing = f"there is no prediction_{subtask}.json"
        raise ChallengeFileError(missing, "write one, as the submission's output", where=str(predictions))
    true_path = find_file(truth, "true", subtask)
    assert true_path is not None, "subtasks are those with a truth"
    metric = _METRICS[subtask]
    truth_of_it = read_file(true_path)
    counted = metric.count(truth_of_it, read_file(path), mode)
    sums = counted.sums()
    number = list(_METRICS).index(subtask)
    interval = score_interval(counted.rows, metric.units, metric.score, resampling, number)
    return SubtaskResult(
        subtask=subtask,
        score=round(metric.score(sums), DECIMALS),
        signature=_signature(subtask, mode),
        test=hashlib.sha256(json.dumps(truth_of_it, sort_keys=True).encode()).hexdigest()[:16],
        interval=None if interval is None else interval.bounds,
        statistics=_statistics(interval, resampling),
        ids=counted.ids,
        rows=counted.rows,
        parts=metric.parts(sums),
        notes=counted.notes,
    )


def _statistics(interval: ScoreInterval | None, resampling: Resampling) -> str:
    method, version = ("none", 2) if interval is None else (interval.method, 1 if interval.method == "bootstrap" else 2)
    documents = "none" if interval is None or interval.clusters is None else interval.clusters
    return f"interval:{method}|confidence:{resampling.confidence:g}|documents:{documents}|v:{version}"


def _signature(subtask: str, mode: Fbc1Mode) -> str:
    parts = {"challenge": "fbc1", "mode": mode, **_METRICS[subtask].settings(), "v": str(VERSION)}
    return "|".join([subtask.lower(), *(f"{key}:{value}" for key, value in parts.items())])
