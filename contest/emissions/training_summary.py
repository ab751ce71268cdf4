"""What a training made of CO2, as one JSON file: written by `training co2-report`, read by the leaderboard."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contest.emissions.rows import EnergyReading, OddFigureError, figure_of, number_of, reading_of
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from contest.writing import write_json
from errors import UserError

FORMAT = "fbc2 training emissions 1"
_REMEDY = "give the training_emissions.json that `training co2-report` wrote"


class TrainingEmissionsError(UserError):
    """A file is no summary of a training's emissions."""


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

    Raises OddFigureError for a figure that is negative or not finite.

    """

    project_name: str
    experiment_description: str
    parameters: int
    final: bool
    stretches: int
    duration_s: float | None
    energy_kwh: float | None
    co2_kg: float | None
    readings: tuple[EnergyReading, ...]
    problems: tuple[str, ...]

    def __post_init__(self) -> None:
        figures = [self.duration_s, self.energy_kwh, self.co2_kg]
        figures += [value for reading in self.readings for value in (reading.energy_kwh, reading.co2_kg)]
        for value in figures:
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise OddFigureError(f"a figure is {value}")

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

    def refused(problem: str, remedy: str = _REMEDY) -> TrainingEmissionsError:
        return TrainingEmissionsError(f"no summary of a training's emissions: {problem}", remedy, where=os.fspath(path))

    data = Path(path).read_bytes()
    if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise refused(found.what, found.remedy)
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise refused("it is not UTF-8") from error
    except RecursionError as error:
        raise refused("it is nested too deeply to be read") from error
    except json.JSONDecodeError as error:
        raise refused(f"it is not JSON: {error}") from error
    except ValueError as error:
        raise refused("it is not JSON: a number has more digits than are read") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise refused(f'"format" is not "{FORMAT}"')
    try:
        return _parsed(value)
    except KeyError as error:
        raise refused(f'it has no "{error.args[0]}"') from error
    except OddFigureError as error:
        raise refused(str(error)) from error
    except TypeError as error:
        raise refused("a value is not what its place asks for") from error


def _parsed(value: Mapping[str, Any]) -> TrainingEmissions:
    return TrainingEmissions(
        project_name=str(value["project_name"]),
        experiment_description=str(value["experiment_description"]),
        parameters=int(number_of(value, "parameters")),
        final=bool(value["final"]),
        stretches=int(number_of(value, "stretches")),
        duration_s=figure_of(value, "duration_s"),
        energy_kwh=figure_of(value, "energy_kwh"),
        co2_kg=figure_of(value, "co2_kg"),
        readings=tuple(map(reading_of, value["readings"])),
        problems=tuple(str(problem) for problem in value["problems"]),
    )
