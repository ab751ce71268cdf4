"""Energy of a run by the meter, over all its sessions: written into `run.json`, read by the evaluation.

Of our own readings, the processor's counts only what the run's processes used; a GPU's counter counts the whole GPU,
and what that would have used idle is subtracted where its idle power was seen before the run. Where a device could not
be read, eco2AI's own figure stands for all of them. The method says which it is, and what power was assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contest.emissions.processor_time import CPU_METHOD, KWH
from contest.emissions.rows import EmissionsFileError, EnergyReading, number_of, read_readings, read_rows, reading_of
from errors import reason_of


@dataclass(frozen=True, slots=True)
class MeterRow:
    """Where a session's figures are: eco2AI's file, and the id of its row there."""

    file: str
    id: str


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """What a run used.

    Attributes:
        energy_kwh: eco2AI's energy, summed over sessions.
        co2_kg: its CO2.
        readings: our own, summed by device and method; empty where only eco2AI measured.
        problems: what was not measured, and why, a sentence each. With one of them the sums are less than was used.

    Raises ValueError for a figure that is negative or not finite.

    """

    energy_kwh: float
    co2_kg: float
    readings: tuple[EnergyReading, ...] = ()
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        figures = [self.energy_kwh, self.co2_kg]
        figures += [
            value
            for each in self.readings
            for value in (each.energy_kwh, each.co2_kg, each.idle_kwh)
            if value is not None
        ]
        if not all(math.isfinite(value) and value >= 0 for value in figures):
            raise ValueError("an energy or a mass is negative or not finite")

    @property
    def is_read(self) -> bool:
        """Whether each device told our own reading its energy; otherwise eco2AI's figures stand."""
        return bool(self.readings) and all(each.energy_kwh is not None for each in self.readings)

    @property
    def joules(self) -> float | None:
        """What the work took, in joules, idle subtracted where it is known; None where a part was not measured."""
        if self.problems:
            return None
        return KWH * (math.fsum(map(_own_kwh, self.readings)) if self.is_read else self.energy_kwh)

    @property
    def grams(self) -> float | None:
        """The CO2 of these joules, in grams: each device's own share of its CO2."""
        if self.problems:
            return None
        if not self.is_read:
            return 1000 * self.co2_kg
        return 1000 * math.fsum(
            (each.co2_kg or 0.0) * _own_kwh(each) / each.energy_kwh for each in self.readings if each.energy_kwh
        )

    @property
    def method(self) -> str:
        """How the joules were come by."""
        if self.problems:
            return "not measured: " + "; ".join(self.problems)
        if not self.is_read:
            unread = [f"{each.device}: {each.method}" for each in self.readings if each.energy_kwh is None]
            return "; ".join(["eco2AI's own total, idle included", *unread])
        return "; ".join(f"{each.device}: {each.method}, {_idle_in_words(each)}" for each in self.readings)

    def to_json(self) -> dict[str, Any]:
        """Return it as `run.json` has it; what follows from the sums stands there too, for people."""
        return {**asdict(self), "joules": self.joules, "co2_g": self.grams, "method": self.method}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunEnergy:
        """Return what `to_json` was called on. Raises KeyError, TypeError, ValueError, OddFigureError."""
        return cls(
            number_of(value, "energy_kwh"),
            number_of(value, "co2_kg"),
            tuple(map(reading_of, value["readings"])),
            tuple(str(problem) for problem in value["problems"]),
        )


def energy_of(sessions: Sequence[MeterRow | None]) -> RunEnergy | None:
    """Return the sum over sessions, None for one that nothing measured; None if nothing measured any of them.

    What can not be read is a problem of the sum, and raises nothing.
    """
    measured = [row for row in sessions if row is not None]
    if not measured:
        return None
    energies = []
    for row in measured:
        try:
            energies.append(_energy_of_row(row))
        except (EmissionsFileError, OSError, ValueError) as error:
            energies.append(RunEnergy(0.0, 0.0, (), (reason_of(error),)))
    left = len(sessions) - len(measured)
    if left:
        energies.append(RunEnergy(0.0, 0.0, (), (f"{left} of {len(sessions)} sessions ran without --emissions",)))
    return sum_of(energies)


def sum_of(parts: Iterable[RunEnergy]) -> RunEnergy:
    """Return the sum of several parts of a run: sessions, or hosts."""
    parts = list(parts)
    readings: dict[tuple[str, str], list[EnergyReading]] = {}
    for reading in (each for part in parts for each in part.readings):
        readings.setdefault((reading.device, reading.method), []).append(reading)
    return RunEnergy(
        math.fsum(part.energy_kwh for part in parts),
        math.fsum(part.co2_kg for part in parts),
        tuple(
            EnergyReading(
                device,
                method,
                _sum(each.energy_kwh for each in found),
                _sum(each.co2_kg for each in found),
                _sum(each.idle_kwh for each in found),
            )
            for (device, method), found in readings.items()
        ),
        tuple(dict.fromkeys(problem for part in parts for problem in part.problems)),
    )


def _energy_of_row(row: MeterRow) -> RunEnergy:
    """Raises EmissionsFileError, OSError, ValueError."""
    rows = {each.id: each for each in read_rows(row.file)}
    if row.id not in rows:
        raise EmissionsFileError(f"{Path(row.file).name} has no row of a session")
    found = rows[row.id]
    return RunEnergy(found.energy_kwh, found.co2_kg, read_readings(row.file).get(row.id, ()))


def _own_kwh(reading: EnergyReading) -> float:
    return max(0.0, (reading.energy_kwh or 0.0) - (reading.idle_kwh or 0.0))


def _idle_in_words(reading: EnergyReading) -> str:
    if reading.method.startswith(CPU_METHOD):
        return "of the run's own processes"
    if reading.idle_kwh is None:
        return "idle not known and included"
    return f"idle of {KWH * reading.idle_kwh:.3g} J subtracted"


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, None where a part is not known."""
    found = list(values)
    return None if None in found else math.fsum(value for value in found if value is not None)
