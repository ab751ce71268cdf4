"""What a training made of CO2, as one JSON file: written by `training co2-report`, read by the leaderboard.

Knows nothing of how it was measured.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contest.emissions.rows import OddFigureError, Reading, number_of, reading_of
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from contest.writing import write_json

FORMAT = "fbc2 training emissions 1"
_REMEDY = "give the training_emissions.json that `training co2-report` wrote"


class TrainingEmissionsError(ValueError):
    """A file that is no summary of a training's emissions: the file and what is wrong, and what helps."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class _OddFileError(ValueError):
    """What is wrong with a summary, in words of our own."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class TrainingEmissions:
    """A training's emissions, summed over its stretches: one, or several if it was killed and went on.

    Attributes:
        project_name: as in eco2AI's file.
        experiment_description: as in eco2AI's file.
        parameters: how many the model has.
        final: whether it is the run that counts.
        stretches: how many there were.
        duration_s: seconds, all stretches together; None if eco2AI measured nothing.
        energy_kwh: eco2AI's energy; None if it measured nothing.
        co2_kg: eco2AI's CO2, which is the figure of the rules; None if it measured nothing.
        readings: our own figures, one a device; None where a device could not be measured.
        problems: what was not measured, and why, a sentence each.

    Raises ValueError for a figure that is negative or not finite.

    """

    project_name: str
    experiment_description: str
    parameters: int
    final: bool
    stretches: int
    duration_s: float | None
    energy_kwh: float | None
    co2_kg: float | None
    readings: tuple[Reading, ...]
    problems: tuple[str, ...]

    def __post_init__(self) -> None:
        figures = [self.duration_s, self.energy_kwh, self.co2_kg]
        figures += [value for reading in self.readings for value in (reading.energy_kwh, reading.co2_kg)]
        for value in figures:
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise _OddFileError(f"a figure is {value}")

    @property
    def own_co2_kg(self) -> float | None:
        """Sum of our own readings; None if there is none."""
        known = [reading.co2_kg for reading in self.readings if reading.co2_kg is not None]
        return math.fsum(known) if known else None


def write_training_emissions(path: str | os.PathLike[str], emissions: TrainingEmissions) -> None:
    """Write the file, whole or not at all. Raises ContestError as `contest.writing.write_json` does."""
    write_json(path, {"format": FORMAT, **asdict(emissions)})


def read_training_emissions(path: str | os.PathLike[str]) -> TrainingEmissions:
    """Read the file. Raises TrainingEmissionsError, OSError."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
        if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
            raise _OddFileError(found.what, found.remedy)
        value = json.loads(data.decode("utf-8-sig"))
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise _OddFileError(f'"format" is not "{FORMAT}"')
        return _parsed(value)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        problem = f"{os.fspath(path)}: no summary of a training's emissions: {_problem(error)}"
        remedy = error.remedy if isinstance(error, _OddFileError) else ""
        raise TrainingEmissionsError(problem, remedy or _REMEDY) from error


def _problem(error: Exception) -> str:
    """Return what is wrong with a file in words that are not Python's."""
    match error:
        case _OddFileError() | OddFigureError():
            return str(error)
        case KeyError():
            return f'it has no "{error.args[0]}"'
        case RecursionError():
            return "it is nested too deeply to be read"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case json.JSONDecodeError():
            return f"it is not JSON: {error}"
        case ValueError() if str(error).endswith("and no number"):  # `number_of` names the value
            return str(error)
        case _:
            return "a value is not what its place asks for"


def _parsed(value: Mapping[str, Any]) -> TrainingEmissions:
    figures: dict[str, float | None] = {}
    for name in ("duration_s", "energy_kwh", "co2_kg"):
        figures[name] = None if value[name] is None else number_of(value, name)
    return TrainingEmissions(
        project_name=str(value["project_name"]),
        experiment_description=str(value["experiment_description"]),
        parameters=int(number_of(value, "parameters")),
        final=bool(value["final"]),
        stretches=int(number_of(value, "stretches")),
        duration_s=figures["duration_s"],
        energy_kwh=figures["energy_kwh"],
        co2_kg=figures["co2_kg"],
        readings=tuple(map(reading_of, value["readings"])),
        problems=tuple(str(problem) for problem in value["problems"]),
    )
