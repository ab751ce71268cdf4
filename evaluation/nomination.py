"""Who wins "the most sustainable solution": the lowest CO2 among scores well above the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.settings import BASELINE_INTEGRAL

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A solution: its name, its integral score, and the kilograms of CO2 of its training (None: not measured).

    Raises ValueError for a score outside [0, 1] or CO2 that is negative or not finite.
    """

    name: str
    score: float
    co2: float | None

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"{self.name}: the score {self.score} lies outside [0, 1]")
        if self.co2 is not None and not (math.isfinite(self.co2) and self.co2 >= 0):
            raise ValueError(f"{self.name}: {self.co2} kg of CO2 can not be")


@dataclass(frozen=True, slots=True)
class Nomination:
    """The outcome. `threshold` is None if no score is above the baseline; several winners share the lowest CO2.

    `unmeasured` are the entries that the score would let in, but whose CO2 nobody measured.
    """

    baseline: float
    threshold: float | None
    eligible: tuple[Candidate, ...]
    unmeasured: tuple[Candidate, ...]
    winners: tuple[Candidate, ...]


def threshold_of(scores: Sequence[float], baseline: float = BASELINE_INTEGRAL) -> float | None:
    """Return mean + population standard deviation of the scores above the baseline; None if there is none.

    The rules leave open which deviation is meant; `numpy.std`, which most would reach for, is that of the population.
    """
    above = [score for score in scores if score > baseline]
    return float(np.mean(above) + np.std(above)) if above else None


def nominate(entries: Sequence[Candidate], baseline: float = BASELINE_INTEGRAL) -> Nomination:
    """Return who is eligible (a score of at least the threshold, to 1e-9) and who of them made the least CO2.

    With two scores above the baseline the threshold equals the larger one but for rounding: hence the tolerance.
    """
    threshold = threshold_of([entry.score for entry in entries], baseline)
    reaching = [] if threshold is None else [entry for entry in entries if entry.score >= threshold - TOLERANCE]
    eligible = tuple(sorted((entry for entry in reaching if entry.co2 is not None), key=lambda entry: entry.co2 or 0.0))
    return Nomination(
        baseline,
        threshold,
        eligible,
        tuple(entry for entry in reaching if entry.co2 is None),
        tuple(entry for entry in eligible if entry.co2 == eligible[0].co2),
    )
