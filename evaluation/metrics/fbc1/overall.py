"""The sum of the four subtasks, its minima, the prize, and the published table of CO2.

Facts of the organisers' README of 2021. A minimum must be surpassed, and a prize asks for all four.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from errors import UserError

MINIMA: Mapping[str, float] = {"C2C": 0.2, "HTR": 0.6, "zsOD": 0.15, "VQA": 0.35}
"""The least score of each subtask, in the order of the sum."""
MINIMUM = 1.3
"""Their sum."""
DECIMALS = 3
"""Each subtask is rounded to these before it is added."""


class OverallError(UserError):
    """Scores or a place that there can not be."""


@dataclass(frozen=True, slots=True)
class Prize:
    """A place's prize in roubles: what is sure above the minima, what a unit of the sum adds, and the most."""

    fixed: int
    per_unit: int
    most: int


PRIZES: Mapping[int, Prize] = {
    1: Prize(1_000_000, 2_000_000, 3_000_000),
    2: Prize(500_000, 1_000_000, 1_500_000),
    3: Prize(200_000, 600_000, 800_000),
}


@dataclass(frozen=True, slots=True)
class Overall:
    """The sum of the four rounded scores.

    Attributes:
        scores: of each subtask, rounded, in the order of MINIMA.
        total: their sum, from 0 to 4.
        below: the subtasks that do not surpass their minimum.

    """

    scores: Mapping[str, float]
    total: float
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingCO2:
    """What training the organisers' baseline emitted: one model for all subtasks, or one for each."""

    setup: str
    kilograms: float


PUBLISHED_CO2 = (TrainingCO2("single-task", 39.34), TrainingCO2("fusion", 27.45))
"""arXiv 2111.10974."""


def overall(scores: Mapping[str, float]) -> Overall:
    """Return the sum of the four subtasks. Raises OverallError unless each has a score from 0 to 1.

    >>> overall({"C2C": 0.2504, "HTR": 0.7, "zsOD": 0.15, "VQA": 0.4})
    Overall(scores={'C2C': 0.25, 'HTR': 0.7, 'zsOD': 0.15, 'VQA': 0.4}, total=1.5, below=('zsOD',))
    """
    if scores.keys() != MINIMA.keys():
        raise OverallError(f"the sum is that of {', '.join(MINIMA)}, not of {', '.join(scores) or 'nothing'}")
    for name, score in scores.items():
        if not 0 <= score <= 1:
            raise OverallError(f"a score of {score} can not be", "scores lie from 0 to 1", where=name)
    rounded = {name: round(scores[name], DECIMALS) for name in MINIMA}
    below = tuple(name for name, minimum in MINIMA.items() if rounded[name] <= minimum)
    return Overall(rounded, round(math.fsum(rounded.values()), DECIMALS), below)


def prize(total: float, place: int) -> int:
    """Return the prize in roubles of a sum at a place of the leaderboard: fixed + per unit * (sum - 1.3), at most so.

    Nothing below the minimum, and from place 4 on. Raises OverallError for a place below 1 or a sum outside [0, 4].

    >>> prize(1.3, 1), prize(1.8, 2), prize(2.3, 3), prize(1.29, 1), prize(2.0, 4)
    (1000000, 1000000, 800000, 0, 0)
    """
    if place < 1:
        raise OverallError(f"there is no place {place}", "places begin with 1")
    if not 0 <= total <= len(MINIMA):
        raise OverallError(f"a sum of {total} can not be", f"it lies from 0 to {len(MINIMA)}")
    if place not in PRIZES or total < MINIMUM:
        return 0
    terms = PRIZES[place]
    return min(terms.most, round(terms.fixed + terms.per_unit * (total - MINIMUM)))
