"""Confidence intervals, significance and ranks from per-sample scores.

Every score here is a mean over samples, so that the scores of the samples are all that resampling needs: no text or
picture is looked at again. The Frechet part of the generation score belongs to the whole set and not to a sample; it
stands as a constant inside the scores of the samples and is held fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contest.tasks import TASKS, task_by_key
from evaluation.settings import RESAMPLES, SEED

Floats = NDArray[np.float64]
Means = Mapping[str, Floats]
"""By task key: the mean of each resample, [resamples]."""

RANK_DIGITS = 12
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: number of resamples, share of them inside the interval, seed.

    Raises ValueError for fewer than one resample, a confidence outside (0, 1) or a negative seed.
    """

    resamples: int = RESAMPLES
    confidence: float = 0.95
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.resamples < 1 or not 0 < self.confidence < 1 or self.seed < 0:
            raise ValueError("resampling: at least 1 resample, a confidence between 0 and 1, a seed of at least 0")

    def generator(self, task_key: str) -> np.random.Generator:
        """Random numbers of a task's own, so that its interval does not depend on which other tasks are there."""
        return np.random.default_rng([self.seed, task_by_key(task_key).id])


def bootstrap_means(values: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Return the means of resamples drawn with replacement: [n] -> [resamples].

    Efron, "Bootstrap methods: another look at the jackknife" (1979). Raises ValueError for an empty array.
    """
    if values.size == 0:
        raise ValueError("nothing to resample")
    means = np.empty(resamples)
    for rows in _chunks(resamples, values.size):
        drawn = generator.integers(values.size, size=(rows.stop - rows.start, values.size))  # [rows, n]
        means[rows] = values[drawn].mean(axis=1)
    return means


def randomised_means(differences: Floats, generator: np.random.Generator, resamples: int) -> Floats:
    """Return mean differences when each pair is swapped or not by the toss of a coin: [n] -> [resamples].

    Approximate randomisation: Noreen, "Computer-intensive methods for testing hypotheses" (1989).
    Raises ValueError for an empty array.
    """
    if differences.size == 0:
        raise ValueError("nothing to swap")
    total, means = differences.sum(), np.empty(resamples)
    for rows in _chunks(resamples, differences.size):
        swapped = generator.integers(2, size=(rows.stop - rows.start, differences.size), dtype=np.int8)  # [rows, n]
        means[rows] = (total - 2 * (swapped @ differences)) / differences.size
    return means


def percentile_interval(means: Floats, confidence: float) -> tuple[float, float]:
    """Return the interval that leaves (1 - confidence) / 2 of the resamples out on either side."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def weighted_sum(means: Means, *, clip: bool) -> Floats:
    """Return the integral score of each resample, or (`clip=False`) its difference: [resamples].

    A task's score lies in [0, 1] by the rules; a difference does not. Raises KeyError if one of the twelve is missing.
    """
    total = np.zeros_like(next(iter(means.values())))
    for task in TASKS:
        scores = means[task.key]
        total = total + float(task.weight) * (np.clip(scores, 0, 1) if clip else scores)
    return total


def intervals(samples: Mapping[str, Sequence[float]], resampling: Resampling) -> dict[str, tuple[float, float] | None]:
    """Return the interval of each task's score by its key and, where all twelve are there, of S under "integral".

    The samples of a task are resampled by themselves: which samples a test holds of one task says nothing of another.
    One sample has no spread to measure: its interval, and that of S with it, is None.
    """
    means = {
        key: bootstrap_means(np.asarray(values, dtype=np.float64), resampling.generator(key), resampling.resamples)
        for key, values in samples.items()
        if len(values) > 1
    }
    found: dict[str, tuple[float, float] | None] = {
        key: percentile_interval(means[key], resampling.confidence) if key in means else None for key in samples
    }
    if len(samples) == len(TASKS):
        whole = len(means) == len(TASKS)
        found["integral"] = (
            percentile_interval(weighted_sum(means, clip=True), resampling.confidence) if whole else None
        )
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the second run is above the first: its interval, and how often chance alone would make such a gap."""

    difference: float
    interval: tuple[float, float] | None
    p_bootstrap: float
    p_randomisation: float


def paired_differences(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], resampling: Resampling
) -> dict[str, Difference]:
    """Return the difference (second - first) of each task by its key and, with all twelve, of S under "integral".

    Both hold the scores of the same samples in the same order. The p-values are two-sided: of the paired bootstrap
    (resamples about their mean; Koehn 2004, Riezler & Maxwell 2005) and of approximate randomisation. Both count the
    observed case among the resamples, so that neither is ever 0.
    Raises ValueError if a task's samples differ in number.
    """
    observed: dict[str, float] = {}
    drawn: dict[str, Floats] = {}
    swapped: dict[str, Floats] = {}
    for key, values in first.items():
        if len(values) != len(second[key]):
            raise ValueError(f"task {key}: {len(values)} samples against {len(second[key])}")
        gaps = np.asarray(second[key], dtype=np.float64) - np.asarray(values, dtype=np.float64)
        generator = resampling.generator(key)
        observed[key] = float(gaps.mean())
        drawn[key] = bootstrap_means(gaps, generator, resampling.resamples)
        swapped[key] = randomised_means(gaps, generator, resampling.resamples)
    single = {key for key, values in first.items() if len(values) == 1}
    if set(first) == {task.key for task in TASKS}:
        parts = {key: np.array([gap]) for key, gap in observed.items()}
        observed["integral"] = float(weighted_sum(parts, clip=False)[0])
        drawn["integral"] = weighted_sum(drawn, clip=False)
        swapped["integral"] = weighted_sum(swapped, clip=False)
        single |= {"integral"} if single else set()
    return {
        key: Difference(
            gap,
            None if key in single else percentile_interval(drawn[key], resampling.confidence),
            p_value(gap, drawn[key] - gap),
            p_value(gap, swapped[key]),
        )
        for key, gap in observed.items()
    }


def p_value(observed: float, under_chance: Floats) -> float:
    """Return the share of chance results at least as far from 0 as the observed one, which counts as one of them."""
    extreme = np.count_nonzero(np.abs(under_chance) >= abs(observed) - _ROUNDING)
    return float((extreme + 1) / (under_chance.size + 1))


def ranks(scores: Sequence[float | None]) -> list[int | None]:
    """Return competition ranks (1, 2, 2, 4): equal scores share the better place; None has no rank.

    Scores that agree to twelve decimals are equal: they differ by the order of a sum at most.
    """
    from scipy.stats import rankdata  # only leaderboards wait for it

    places = iter(rankdata([-round(score, RANK_DIGITS) for score in scores if score is not None], method="min"))
    return [None if score is None else int(next(places)) for score in scores]


def _chunks(rows: int, width: int) -> list[slice]:
    step = max(1, _CELLS_AT_ONCE // width)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
