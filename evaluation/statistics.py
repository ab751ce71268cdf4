"""Intervals, significance and ranks from per-sample scores.

Every score here is a mean over samples, so that the scores of the samples are all that is needed: no text or picture
is looked at again. The Frechet part of the generation score belongs to the whole set and not to a sample; it stands
as a constant inside the scores of the samples and is held fixed, so that its own uncertainty is in no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contest.tasks import TASKS, task_by_key
from evaluation.confidence import (
    Floats,
    MeanInterval,
    Whole,
    cluster_sums,
    interval_of_mean,
    weighted_interval,
)
from evaluation.settings import INTEGRAL, RESAMPLES, SEED

RANK_DIGITS = 12
GAPS = (-1.0, 1.0)
"""The range of a difference of two scores."""
MOST_ENUMERATED = 14  # gaps whose signs are all gone through: 16,384 ways
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Resampling:
    """How figures are made sure of: swaps of the randomisation test, confidence of the intervals, seed.

    Raises ValueError for fewer than one resample, a confidence outside (0, 1) or a negative seed.
    """

    resamples: int = RESAMPLES
    confidence: float = 0.95
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.resamples < 1 or not 0 < self.confidence < 1 or self.seed < 0:
            raise ValueError("resampling: at least 1 resample, a confidence between 0 and 1, a seed of at least 0")

    def generator(self, task_key: str) -> np.random.Generator:
        """Random numbers of a task's own (S has its own too), so that its test does not depend on the other tasks."""
        number = len(TASKS) if task_key == INTEGRAL else task_by_key(task_key).id
        return np.random.default_rng([self.seed, number])


Documents = Mapping[str, Sequence[int] | None]
"""By task key: the number of each sample's document, None where each has its own."""


def intervals(
    samples: Mapping[str, Sequence[float]], confidence: float = 0.95, documents: Documents | None = None
) -> dict[str, MeanInterval | None]:
    """Return the interval of each task's score by its key; None for a single sample or document, without spread."""
    return {
        key: interval_of_mean(np.asarray(values, dtype=np.float64), confidence, _documents(documents, key))
        for key, values in samples.items()
    }


def integral_interval(
    scores: Mapping[str, float], bounds: Mapping[str, tuple[float, float] | None]
) -> tuple[float, float] | None:
    """Return the interval of S from those of its twelve tasks, None if one is missing.

    The tasks are independent: which samples a test holds of one says nothing of another. A task's score enters S as
    the nearer end of [0, 1], and so do the ends of its interval.
    """
    parts = []
    for task in TASKS:
        bound = bounds.get(task.key)
        if bound is None or task.key not in scores:
            return None
        parts.append((_clipped(scores[task.key]), _clipped(bound[0]), _clipped(bound[1])))
    return weighted_interval(parts, [float(task.weight) for task in TASKS])


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the second run is above the first: its interval, and how often chance alone would make such a gap."""

    difference: float
    interval: tuple[float, float] | None
    p: float


def paired_differences(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    resampling: Resampling,
    documents: Documents | None = None,
) -> dict[str, Difference]:
    """Return the difference (second - first) of each task by its key and, with all twelve, of S under "integral".

    Both hold the scores of the same samples in the same order. The p-values are two-sided, of the randomisation test
    that swaps whole documents between the runs. Where no sample changed, the interval is (0, 0).
    Raises ValueError if a task's samples differ in number.
    """
    differences: dict[str, Difference] = {}
    parts: list[tuple[MeanInterval | None, Floats]] = []
    for key, values in first.items():
        if len(values) != len(second[key]):
            raise ValueError(f"task {key}: {len(values)} samples against {len(second[key])}")
        gaps = np.asarray(second[key], dtype=np.float64) - np.asarray(values, dtype=np.float64)
        of_each = _documents(documents, key)
        made = interval_of_gaps(gaps, resampling.confidence, of_each)
        summed = cluster_sums(gaps, of_each) / gaps.size  # [clusters], their sum is the difference
        p = randomisation_p(summed, resampling.generator(key), resampling.resamples)
        differences[key] = Difference(float(gaps.mean()), None if made is None else (made.low, made.high), p)
        parts.append((made, summed))
    if set(first) == {task.key for task in TASKS}:
        differences[INTEGRAL] = _difference_of_integrals(list(first), parts, resampling)
    return differences


def _difference_of_integrals(
    keys: Sequence[str], parts: Sequence[tuple[MeanInterval | None, Floats]], resampling: Resampling
) -> Difference:
    weights = [float(task_by_key(key).weight) for key in keys]
    summed = np.concatenate([weight * gaps for weight, (_, gaps) in zip(weights, parts, strict=True)])
    made = [one for one, _ in parts if one is not None]
    interval = None
    if len(made) == len(parts):
        interval = weighted_interval([(one.mean, one.low, one.high) for one in made], weights)
    p = randomisation_p(summed, resampling.generator(INTEGRAL), resampling.resamples)
    return Difference(float(summed.sum()), interval, p)


def interval_of_gaps(gaps: Floats, confidence: float, documents: Whole | None = None) -> MeanInterval | None:
    """Return the interval of the mean of differences of scores, [n]; None for a single sample or document.

    Where no sample changed there is nothing to measure a spread by, and it is (0, 0).
    """
    if gaps.size == 1:
        return None
    if not gaps.any():
        return MeanInterval(0.0, 0.0, 0.0, "wilson-effective", gaps.size)
    return interval_of_mean(gaps, confidence, documents, GAPS)


def randomisation_p(gaps: Floats, generator: np.random.Generator, resamples: int) -> float:
    """Return how often a sum of gaps with signs by the toss of a coin is as far from 0 as the observed sum: [n].

    The randomisation test of pairs (Fisher; Noreen 1989). Up to MOST_ENUMERATED gaps that are not 0, all ways are gone
    through, which makes p exact; beyond, `resamples` ways are drawn, and the observed one counts as one of them.
    Raises ValueError for an empty array.
    """
    if gaps.size == 0:
        raise ValueError("nothing to swap")
    total, changed = float(gaps.sum()), gaps[gaps != 0]
    if changed.size <= MOST_ENUMERATED:
        return float(np.mean(_as_far(total, _every_sum(changed))))
    extreme = 1
    for rows in _chunks(resamples, changed.size):
        swapped = generator.integers(2, size=(rows, changed.size), dtype=np.int8)  # [rows, n]
        extreme += int(np.count_nonzero(_as_far(total, total - 2 * (swapped @ changed))))
    return float(extreme / (resamples + 1))


def p_value(observed: float, under_chance: Floats) -> float:
    """Return the share of chance results at least as far from 0 as the observed one, which counts as one of them."""
    return float((np.count_nonzero(_as_far(observed, under_chance)) + 1) / (under_chance.size + 1))


def percentile_interval(figures: Floats, confidence: float) -> tuple[float, float]:
    """Return the interval that leaves (1 - confidence) / 2 of resampled figures out on either side.

    For figures that are no means (those of the first challenge), where no closed form is at hand.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return float(low), float(high)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in their order: Holm (1979), which needs no independence.

    What stays below 5 % may be called significant, all of it together being wrong in 5 % of cases at most.
    """
    corrected = [0.0] * len(chances)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        largest = max(largest, min(1.0, (len(chances) - place) * chances[index]))
        corrected[index] = largest
    return corrected


def ranks(scores: Sequence[float | None]) -> list[int | None]:
    """Return competition ranks (1, 2, 2, 4): equal scores share the better place; None has no rank.

    Scores that agree to twelve decimals are equal: they differ by the order of a sum at most.
    """
    from scipy.stats import rankdata  # only leaderboards wait for it

    places = iter(rankdata([-round(score, RANK_DIGITS) for score in scores if score is not None], method="min"))
    return [None if score is None else int(next(places)) for score in scores]


def rank_spans(figures: Sequence[tuple[float, float, float] | None]) -> list[tuple[int, int] | None]:
    """Return the best and the worst rank that each run may have, from (score, low, high) of each: [n].

    A run may be better than all but those that are clearly above it: whose difference from it has an interval above 0
    (MOVER from the two runs' own intervals, as if their samples were not the same, which errs on the side of caution;
    `evaluation compare` is sharper). None for a run without a score or interval, which counts for no other.
    """
    known = [place for place, figure in enumerate(figures) if figure is not None]
    rows = np.array([figure for figure in figures if figure is not None], dtype=np.float64).reshape(-1, 3)
    spans: list[tuple[int, int] | None] = [None] * len(figures)
    scores, down, up = rows[:, 0], rows[:, 0] - rows[:, 1], rows[:, 2] - rows[:, 0]
    for place, score, below, above in zip(known, scores, down, up, strict=True):
        better = int(np.count_nonzero(scores - score > np.hypot(down, above)))
        worse = int(np.count_nonzero(score - scores > np.hypot(below, up)))
        spans[place] = (1 + better, len(known) - worse)
    return spans


def _documents(documents: Documents | None, key: str) -> Whole | None:
    of_each = None if documents is None else documents.get(key)
    return None if of_each is None else np.asarray(of_each, dtype=np.intp)


def _every_sum(gaps: Floats) -> Floats:
    """Return the sums of the gaps under all signs: [n] -> [2 ** n]."""
    sums = np.zeros(1)
    for gap in gaps:
        sums = np.concatenate([sums + gap, sums - gap])
    return sums


def _as_far(observed: float, sums: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.abs(sums) >= abs(observed) - _ROUNDING


def _clipped(score: float) -> float:
    return min(1.0, max(0.0, score))


def _chunks(rows: int, width: int) -> list[int]:
    step = max(1, _CELLS_AT_ONCE // width)
    return [min(step, rows - start) for start in range(0, rows, step)]
