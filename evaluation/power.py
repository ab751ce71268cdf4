"""How small an effect a test set shows, and how many samples a wished effect needs.

An effect is a difference of two runs' scores on the same samples. Its test is taken for a t-test of the gaps (the
randomisation test of `compare` has the same power from a few dozen samples on); its power follows the noncentral t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contest.tasks import TASKS
from evaluation.confidence import Spread, Whole
from evaluation.errors import NotComparableError
from evaluation.results import Result, TaskResult
from evaluation.settings import INTEGRAL

MOST_SAMPLES = 10**9
FEWEST_CLUSTERS = 5  # below, a spread is a guess, and the noncentral t can not be computed


@dataclass(frozen=True, slots=True)
class PowerGoal:
    """What is asked: the effect that is wished for, how often it is to be seen, and the level of the test."""

    effect: float = 0.02
    power: float = 0.8
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class GapSpread:
    """The spread of the gaps: `deviation` of one, its documents' share counted in, so that its square / n is exact."""

    key: str
    samples: int
    clusters: int
    deviation: float


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One task, S, or what was given: the smallest effect that is seen, and the samples that the wished one needs.

    `factor` is `needed` as a multiple of the samples there are. None: not to be had, or fewer than five documents.
    """

    key: str
    samples: int
    clusters: int
    deviation: float
    detectable: float | None
    needed: int | None
    factor: float | None


def power_of(effect: float, error: float, clusters: int, alpha: float) -> float:
    """Return how often the two-sided t-test sees an effect of a mean with this standard error."""
    from scipy.stats import nct, t

    if error == 0:
        return 1.0 if effect else alpha
    freedom, shift = clusters - 1, abs(effect) / error
    critical = float(t.ppf(1 - alpha / 2, freedom))
    if shift > 30:  # beyond what the noncentral t is computed for: certain
        return 1.0 if shift > critical + 10 else 0.0
    return float(nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift))


def row_of(spread: GapSpread, goal: PowerGoal) -> PowerRow:
    """Return the smallest effect that is seen as often as asked, and the samples that the wished effect needs."""
    if spread.clusters < FEWEST_CLUSTERS:
        return PowerRow(spread.key, spread.samples, spread.clusters, spread.deviation, None, None, None)
    needed = _needed(spread, goal)
    factor = None if needed is None else needed / spread.samples
    detectable = _detectable(spread, goal)
    return PowerRow(spread.key, spread.samples, spread.clusters, spread.deviation, detectable, needed, factor)


def spreads_of(first: Result, second: Result | None, correlation: float) -> tuple[GapSpread, ...]:
    """Return the spread of the gaps of each task and, with all twelve, of S.

    Args:
        first: a result.
        second: another one of the same test: the gaps are those between the two. None: the gaps are those to a run
            whose scores spread as the first one's do.
        correlation: without `second`, that between the two runs' scores of a sample.

    Raises NotComparableError for results of different tests, or without a task in common.

    """
    if second is not None and first.test != second.test:
        raise NotComparableError("the two results are of different test sets", "give runs of one test set")
    keys = [key for key in first.tasks if second is None or key in second.tasks]
    if not keys:
        raise NotComparableError("the two results share no task", "give runs of one test set")
    found = [_spread_of(first.tasks[key], None if second is None else second.tasks[key], correlation) for key in keys]
    by_key = {spread.key: spread for spread in found}
    if all(task.key in by_key and by_key[task.key].clusters > 1 for task in TASKS):
        parts = [(float(task.weight), by_key[task.key]) for task in TASKS]
        variance = sum(weight**2 * spread.deviation**2 / spread.samples for weight, spread in parts)
        samples = sum(spread.samples for spread in found)
        clusters = sum(spread.clusters - 1 for spread in found) + 1
        found.append(GapSpread(INTEGRAL, samples, clusters, math.sqrt(variance * samples)))
    return tuple(found)


def _spread_of(first: TaskResult, second: TaskResult | None, correlation: float) -> GapSpread:
    values = np.array(list(first.samples.values()), dtype=np.float64)
    scale = 2 * (1 - correlation)
    if second is not None:
        if first.samples.keys() != second.samples.keys():
            raise NotComparableError(f"{first.key}: the results have other samples", "give runs of one test set")
        values = np.array([second.samples[name] for name in first.samples]) - values
        scale = 1.0
    documents: Whole | None = None if first.documents is None else np.asarray(first.documents, dtype=np.intp)
    spread = Spread.of(values, documents)
    deviation = math.sqrt(scale * spread.variance() * spread.samples) if spread.clusters > 1 else 0.0
    return GapSpread(first.key, spread.samples, spread.clusters, deviation)


def _detectable(spread: GapSpread, goal: PowerGoal) -> float:
    from scipy.optimize import brentq

    error = spread.deviation / math.sqrt(spread.samples)
    if error == 0:
        return 0.0

    def lacking(shifts: float) -> float:
        return power_of(shifts * error, error, spread.clusters, goal.alpha) - goal.power

    top = 4.0
    while lacking(top) < 0 and top < 1e6:
        top *= 2
    return float(brentq(lacking, 0, top)) * error


def _needed(spread: GapSpread, goal: PowerGoal) -> int | None:
    """Return the fewest samples, with as many a document as today, None if a thousand million are too few."""

    def enough(samples: int) -> bool:
        clusters = max(FEWEST_CLUSTERS, round(samples * spread.clusters / spread.samples))
        error = spread.deviation / math.sqrt(samples)
        return power_of(goal.effect, error, clusters, goal.alpha) >= goal.power

    high = FEWEST_CLUSTERS
    while not enough(high):
        high *= 2
        if high > MOST_SAMPLES:
            return None
    low = high // 2 if high > FEWEST_CLUSTERS else high - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def power_table(rows: Sequence[PowerRow], goal: PowerGoal) -> str:
    """Return the rows as text."""
    from evaluation.table import columns

    needs = f"samples for {goal.effect:g}"
    cells = [("task", "samples", "documents", "sd of gaps", "detectable", needs, "times today's")]
    for row in rows:
        cells.append(
            (
                "S" if row.key == INTEGRAL else row.key,
                str(row.samples),
                str(row.clusters),
                f"{row.deviation:.4f}",
                "-" if row.detectable is None else f"{row.detectable:.4f}",
                "-" if row.needed is None else str(row.needed),
                "-" if row.factor is None else f"{row.factor:.2f}",
            )
        )
    return "\n".join(
        [
            columns(cells),
            f"detectable: the smallest difference of two runs that is significant at {goal.alpha:g} (two-sided, "
            "paired)",
            f"in {goal.power:g} of tests like this one; each task by itself, without correction for their number",
        ]
    )
