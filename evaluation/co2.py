"""CO2 around a score: the evaluator's own, and what submissions and trainings logged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contest.emissions.rows import EmissionsFileError, EmissionsRow, EnergyReading, read_readings, read_rows
from errors import reason_of
from evaluation.errors import EvaluationError


class EmissionsError(EvaluationError):
    """A file is none of eco2AI's."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one of eco2AI's files says.

    `counted` is the row that the rules count (the last one marked as final), None if none is marked. `energy_kwh` and
    `co2_kg` are sums over all rows. `readings` are our own figures by the row's id, where
    `contest.emissions.tracking` measured.
    """

    path: Path
    rows: tuple[EmissionsRow, ...]
    counted: EmissionsRow | None
    energy_kwh: float
    co2_kg: float
    readings: Mapping[str, tuple[EnergyReading, ...]]


def read_emissions(csv_path: str | os.PathLike[str]) -> Summary:
    """Read one of eco2AI's files and what lies beside it. Raises EmissionsError, also if it can not be read."""
    remedy = "give the CSV file that eco2AI wrote, not the encoded one"
    try:
        rows, readings = read_rows(csv_path), read_readings(csv_path)
    except EmissionsFileError as error:
        raise EmissionsError(error.reason, error.remedy or remedy) from error
    except OSError as error:
        raise EmissionsError(reason_of(error), "check the path") from error
    except (RecursionError, OverflowError, AttributeError) as error:
        raise EmissionsError(f"{os.fspath(csv_path)}: the readings beside it are none of ours", remedy) from error
    for number, row in enumerate(rows, start=1):
        if None in (row.id, row.project, row.start_time, row.cpu, row.gpu, row.country):
            raise EmissionsError(f"{os.fspath(csv_path)}: row {number} is cut off", remedy)
    for reading in (one for found in readings.values() for one in found):
        if not all(map(_is_figure, (reading.energy_kwh, reading.co2_kg))):
            raise EmissionsError(f"{os.fspath(csv_path)}: a reading beside it is no figure", remedy)
    final = [row for row in rows if row.is_final]
    return Summary(
        path=Path(csv_path),
        rows=rows,
        counted=final[-1] if final else None,
        energy_kwh=sum(row.energy_kwh for row in rows),
        co2_kg=sum(row.co2_kg for row in rows),
        readings=readings,
    )


def _is_figure(value: object) -> bool:
    """Whether a value is an energy or a mass, or None for one that could not be measured."""
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
