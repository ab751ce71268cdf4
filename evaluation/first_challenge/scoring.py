"""A run's four scores, with intervals and signatures, and their sum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from errors import UserError
from evaluation.first_challenge.files import ChallengeFileError, find_file, read_file, subtasks_of
from evaluation.metrics.fbc1.counts import Counted, Fbc1Mode, SampleNote, ratio
from evaluation.metrics.fbc1.detection import HIT, count_boxes, f1
from evaluation.metrics.fbc1.errors import UnscorableError
from evaluation.metrics.fbc1.handwriting import count_readings
from evaluation.metrics.fbc1.overall import DECIMALS, MINIMA, Overall, overall
from evaluation.metrics.fbc1.python_trees import grammar_name
from evaluation.metrics.fbc1.questions import count_answers
from evaluation.metrics.fbc1.translation import count_code, score_code, score_parts
from evaluation.metrics.normalisation import LEMMAS
from evaluation.statistics import Resampling, percentile_interval

VERSION = 1


@dataclass(frozen=True, slots=True)
class SubtaskResult:
    """What one subtask got.

    Attributes:
        subtask: its name.
        score: rounded to three decimals, as it enters the sum; None where the published script ends with an error.
        signature: all that the score depends on.
        test: fingerprint of the truth; only scores of one test set may be compared.
        interval: bootstrap confidence interval; None for a single sample, and without a score.
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
    ids: tuple[str, ...] = ()
    rows: tuple[tuple[float, ...], ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[SampleNote, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeResult:
    """What a run got; `total` is None unless all four subtasks have a score."""

    mode: Fbc1Mode
    subtasks: Mapping[str, SubtaskResult]
    total: Overall | None

    @property
    def has_errors(self) -> bool:
        """Whether a subtask has no score, or a sample lost its score to what its prediction is."""
        return any(it.failure or any(note.is_fault for note in it.notes) for it in self.subtasks.values())


@dataclass(frozen=True, slots=True)
class _Metric:
    """How a subtask is scored: counts of samples, `width` of each, and the score of their sums.

    `settings` are what else it depends on, `parts` what it is made of.
    """

    count: Callable[[Any, Any, Fbc1Mode], Counted]
    score: Callable[[Sequence[float]], float]
    width: int
    settings: Callable[[], Mapping[str, str]]
    parts: Callable[[Sequence[float]], Mapping[str, float]] = lambda sums: {}


_METRICS: Mapping[str, _Metric] = {
    "C2C": _Metric(count_code, score_code, 24, lambda: {"grammar": f"{grammar_name()}-shaped-as-abi-11"}, score_parts),
    "HTR": _Metric(count_readings, ratio, 2, dict),
    "zsOD": _Metric(count_boxes, f1, 3, lambda: {"iou": f"{HIT:g}"}),
    "VQA": _Metric(count_answers, ratio, 2, lambda: {"lemmas": LEMMAS}),
}


def score_of(subtask: str) -> Callable[[Sequence[float]], float]:
    """Return the function from sums of a subtask's counts to its score, not rounded."""
    return _METRICS[subtask].score


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
    return SubtaskResult(
        subtask=subtask,
        score=round(metric.score(sums), DECIMALS),
        signature=_signature(subtask, mode),
        test=hashlib.sha256(json.dumps(truth_of_it, sort_keys=True).encode()).hexdigest()[:16],
        interval=_interval(subtask, counted, metric.score, resampling),
        ids=counted.ids,
        rows=counted.rows,
        parts=metric.parts(sums),
        notes=counted.notes,
    )


def _interval(
    subtask: str, counted: Counted, score: Callable[[Sequence[float]], float], resampling: Resampling
) -> tuple[float, float] | None:
    """Return the interval of a score that is a function of sums: samples are drawn anew, and added up."""
    rows = np.asarray(counted.rows)
    if len(rows) < 2:
        return None
    generator = np.random.default_rng([resampling.seed, list(_METRICS).index(subtask)])
    draws = (generator.integers(len(rows), size=len(rows)) for _ in range(resampling.resamples))
    scores = np.array([score(rows[drawn].sum(axis=0).tolist()) for drawn in draws])
    return percentile_interval(scores, resampling.confidence)


def _signature(subtask: str, mode: Fbc1Mode) -> str:
    parts = {"challenge": "fbc1", "mode": mode, **_METRICS[subtask].settings(), "v": str(VERSION)}
    return "|".join([subtask.lower(), *(f"{key}:{value}" for key, value in parts.items())])
