"""The CO2 of training a small network: the options of its command, the measurement, and what its record says."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contest.command_line import number
from contest.emissions.tracking import Emissions, Status, Tracking, country_code, tell, track

NONE = "none"
EMISSIONS_FILE = "emissions.csv"


def add_emissions_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a measurement by eco2AI."""
    where = f"eco2AI's CSV file, which gets a row; none: nothing is measured (default: {EMISSIONS_FILE} in the output)"
    parser.add_argument("--emissions", type=Path, metavar="FILE", help=where)
    add_machine_arguments(parser)


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a measurement must know of the machine."""
    parser.add_argument(
        "--country", type=country_code, default="RU", metavar="CODE", help="where it runs: two letters (ISO 3166)"
    )
    parser.add_argument(
        "--tdp-watts",
        type=number(least=0, above=True),
        metavar="W",
        help="power of one processor package, in watts; else eco2AI's guess",
    )


@contextmanager
def co2_measured(options: argparse.Namespace, network: str, parameters: int, steps: int) -> Iterator[Tracking | None]:
    """Measure the enclosed training of a network, and say at its end what came of it; None where nothing shall be.

    `options` are those of the command, with its `output`.
    """
    path = options.output / EMISSIONS_FILE if options.emissions is None else options.emissions
    if str(path) == NONE:
        yield None
        return
    description = f"{network}; {parameters} parameters; {steps} steps"
    with track("bundled tiny weights", description, path, options.country, tdp_watts=options.tdp_watts) as tracking:
        yield tracking
    tell(tracking.outcome)


def emissions_record(tracking: Tracking | None, country: str) -> dict[str, Any] | None:
    """Return what a training's record says of its CO2 after the end; None where nothing was to be measured.

    `co2_kg` and `energy_kwh` are eco2AI's figures, those with `own` our readings of all devices; None where a figure
    could not be had, which `problems` explain.
    """
    if tracking is None:
        return None
    outcome = tracking.outcome or Emissions(Status.NOT_MEASURED, ("the training did not end",))
    own_co2 = [reading.co2_kg for reading in outcome.readings]
    own_energy = [reading.energy_kwh for reading in outcome.readings]
    return {
        "status": outcome.status.value,
        "country": country,
        "co2_kg": outcome.co2_kg,
        "energy_kwh": outcome.energy_kwh,
        "own_co2_kg": _sum(own_co2),
        "own_energy_kwh": _sum(own_energy),
        "readings": [asdict(reading) for reading in outcome.readings],
        "problems": list(outcome.reasons),
    }


def _sum(figures: list[float | None]) -> float | None:
    """Return the sum, None where a figure is missing or there is none."""
    known = [figure for figure in figures if figure is not None]
    return math.fsum(known) if known and len(known) == len(figures) else None
