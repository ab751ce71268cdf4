"""What a run cost, beside its scores: speed, tokens, energy and CO2 a sample, as `run.json` tells.

A figure that nobody measured is None, and shown as not known: never as 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contest.emissions.run_energy import RunEnergy
from errors import UserError
from evaluation.json_values import WrongValueError, entry, mapping, number, optional, text, whole

NO_METER = "not measured: the run was without --emissions"
UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class RunCost:
    """What a run cost. Rates are of the phase that answers, and of those that draw; a sample is one of the input.

    Attributes:
        samples: of the input; all figures "per sample" are divided by it.
        seconds: in which the run's processes ran, over all its sessions.
        answers_per_second: None where nothing was answered.
        pictures_per_second: None where nothing was drawn.
        tokens_per_sample: sampled by the network: ids of texts and codes of pictures.
        joules_per_sample: None where the energy is not known.
        co2_g_per_sample: grams of CO2 of these joules.
        energy_method: how the energy was come by, or why it is not known.

    Raises ValueError for a figure that is negative or not finite, and without samples.

    """

    samples: int
    seconds: float
    answers_per_second: float | None
    pictures_per_second: float | None
    tokens_per_sample: float
    joules_per_sample: float | None
    co2_g_per_sample: float | None
    energy_method: str

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError("a run without samples has no cost a sample")
        figures = [getattr(self, name) for name in ("seconds", *FIGURES)]
        if not all(value is None or (math.isfinite(value) and value >= 0) for value in figures):
            raise ValueError("a figure of the cost is negative or not finite")


FIGURES: Mapping[str, str] = {
    "answers_per_second": "answers/s",
    "pictures_per_second": "pictures/s",
    "tokens_per_sample": "tokens/sample",
    "joules_per_sample": "J/sample",
    "co2_g_per_sample": "g CO2/sample",
}
"""The figures by name, with their units, in the order in which they are shown."""


def shown(value: float | None) -> str:
    """Return a figure with three digits that tell."""
    return UNKNOWN if value is None else f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def cost_line(cost: RunCost) -> str:
    """Return the figures on one line; what is not known is named at its end."""
    known = {name: getattr(cost, name) for name in FIGURES}
    told = [f"{shown(value)} {FIGURES[name]}" for name, value in known.items() if value is not None]
    left = [FIGURES[name] for name, value in known.items() if value is None]
    return "cost: " + ", ".join(told) + (f"; {UNKNOWN}: {', '.join(left)}" if left else "")


def cost_of_report(value: Any, name: str) -> RunCost | None:
    """Return what the entry "cost" of `run.json` comes to; None where it is null. Raises WrongValueError."""
    if value is None:
        return None
    cost = mapping(value, name)
    samples = entry(cost, "samples", whole)
    if not samples:
        return None
    answers, pictures = (entry(cost, part, mapping) for part in ("answers", "pictures"))
    energy = _energy(cost.get("energy"))
    joules, grams = (None, None) if energy is None else (energy.joules, energy.grams)
    try:
        return RunCost(
            samples,
            entry(cost, "seconds", number),
            _rate(answers),
            _rate(pictures),
            (entry(answers, "tokens", whole) + entry(pictures, "tokens", whole)) / samples,
            None if joules is None else joules / samples,
            None if grams is None else grams / samples,
            NO_METER if energy is None else energy.method,
        )
    except (ValueError, OverflowError) as error:
        raise WrongValueError(f"{name}: {error}") from error


def cost_from_json(value: Any, name: str) -> RunCost:
    """Return what `cost_to_json` was called on. Raises WrongValueError."""
    cost = mapping(value, name)
    try:
        return RunCost(
            entry(cost, "samples", whole),
            entry(cost, "seconds", number),
            entry(cost, "answers_per_second", optional(number)),
            entry(cost, "pictures_per_second", optional(number)),
            entry(cost, "tokens_per_sample", number),
            entry(cost, "joules_per_sample", optional(number)),
            entry(cost, "co2_g_per_sample", optional(number)),
            entry(cost, "energy_method", text),
        )
    except ValueError as error:
        raise WrongValueError(f"{name}: {error}") from error


def cost_to_json(cost: RunCost | None) -> dict[str, Any] | None:
    """Return it as a JSON object."""
    return None if cost is None else asdict(cost)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each point (cost, score) whether no other one is at least as good in both and better in one."""
    return [
        not any(
            cost <= own_cost and score >= own_score and (cost, score) != (own_cost, own_score) for cost, score in points
        )
        for own_cost, own_score in points
    ]


def _rate(part: Mapping[str, Any]) -> float | None:
    count, seconds = entry(part, "count", whole), entry(part, "seconds", number)
    return count / seconds if count and seconds > 0 else None


def _energy(value: Any) -> RunEnergy | None:
    if value is None:
        return None
    try:
        return RunEnergy.from_json(mapping(value, '"energy"'))
    except KeyError as error:
        raise WrongValueError(f'"energy" has no {error}') from error
    except (TypeError, AttributeError) as error:
        raise WrongValueError('"energy" is not what the meter writes') from error
    except (ValueError, UserError) as error:
        raise WrongValueError(f'"energy": {error}') from error
