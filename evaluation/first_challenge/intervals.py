"""Intervals of the four scores and of their sum (docs/statistics.md).

Three scores are means of zeros and ones, and have Wilson's interval: string accuracy and the accuracy of answers over
samples; F1 over boxes, a hit being one twice, since F1 = 2 TP / (2 TP + FP + FN), with the boxes of an image as one
cluster. CodeBLEU is none, and has the percentile bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from evaluation.confidence import Floats, IntervalMethod, Whole, interval_of_mean, weighted_interval
from evaluation.statistics import Resampling, percentile_interval

Rows: TypeAlias = Sequence[Sequence[float]]
Units: TypeAlias = Callable[[Floats], tuple[Floats, Whole | None]]
"""From counts [samples, width] to the zeros and ones that the score is the mean of, and the cluster of each."""


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """An interval, how it was made, and by how many clusters (None: each sample is its own)."""

    low: float
    high: float
    method: IntervalMethod | Literal["bootstrap"]
    clusters: int | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Its ends."""
        return self.low, self.high


def sample_units(rows: Floats) -> tuple[Floats, None]:
    """Return the units of a share of right samples, whose rows are (right, 1)."""
    return rows[:, 0], None


def box_units(rows: Floats) -> tuple[Floats, Whole]:
    """Return the units of F1, whose rows are (true positives, false positives, false negatives) of an image."""
    ones, zeros = 2 * rows[:, 0].astype(np.intp), rows[:, 1:].sum(axis=1).astype(np.intp)
    image = np.arange(len(rows), dtype=np.intp)
    values = np.concatenate([np.ones(ones.sum()), np.zeros(zeros.sum())])
    return values, np.concatenate([np.repeat(image, ones), np.repeat(image, zeros)])


def score_interval(
    rows: Rows,
    units: Units | None,
    score: Callable[[Sequence[float]], float],
    resampling: Resampling,
    number: int,
) -> ScoreInterval | None:
    """Return the interval of a score; None for a single sample, which shows no spread.

    Args:
        rows: the counts of each sample.
        units: what the score is a mean of, None if it is none.
        score: from sums of the counts to the score.
        resampling: confidence, and seed and number of the resamples of a bootstrap.
        number: of the subtask, so that its random numbers are its own.

    """
    counts = np.asarray(rows, dtype=np.float64)
    if len(counts) < 2:
        return None
    if units is None:
        generator = np.random.default_rng([resampling.seed, number])
        draws = (generator.integers(len(counts), size=len(counts)) for _ in range(resampling.resamples))
        scores = np.array([score(counts[drawn].sum(axis=0).tolist()) for drawn in draws])
        return ScoreInterval(*percentile_interval(scores, resampling.confidence), "bootstrap")
    values, clusters = units(counts)
    made = interval_of_mean(values, resampling.confidence, clusters) if len(values) > 1 else None
    if made is None:
        return None
    return ScoreInterval(made.low, made.high, made.method, None if clusters is None else made.clusters)


def total_interval(
    scores: Mapping[str, float], intervals: Mapping[str, tuple[float, float] | None]
) -> tuple[float, float] | None:
    """Return the interval of the sum of independent scores; None where one has none."""
    parts = []
    for name, score in scores.items():
        bounds = intervals.get(name)
        if bounds is None:
            return None
        parts.append((score, min(bounds[0], score), max(bounds[1], score)))  # a score is rounded
    return weighted_interval(parts, [1.0] * len(parts))
