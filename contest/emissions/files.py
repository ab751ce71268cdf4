"""Puts a run's figures into the files that outlive it.

Several runs may share a file: each renews its own row, under a lock on the folder, and replaces the file as a whole,
so that whoever has it open goes on reading the old one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contest.atomic import locked, replacing
from contest.emissions.rows import (
    BYTE_ORDER_MARK,
    ENCODED_PREFIX,
    READINGS_SUFFIX,
    EmissionsFileError,
    EnergyReading,
    require_form,
)
from errors import reason_of

LOCK_SECONDS = 2.0


class Publisher:
    """Writes the row of one run, its encoded form and our own readings, and the status for the run itself."""

    def __init__(self, csv_path: Path, status_path: Path) -> None:
        self._csv = csv_path
        self._status = status_path

    def publish(
        self,
        row: dict[str, str],
        encode: Callable[[str], str],
        readings: Sequence[tuple[str, str, float | None]],
        coefficient: float,
        cpu_watts: float,
        reasons: Sequence[str],
        idle: Mapping[str, float],
        *,
        ended: bool,
    ) -> None:
        """Write all files. What can not be written is a reason of the status, and stays as it was.

        `coefficient` is in kg of CO2 per MWh, the energies of `readings` and the idle ones by device are in kWh,
        `cpu_watts` is the power of all packages together.
        """
        full = [
            EnergyReading(
                device, method, energy, None if energy is None else energy * coefficient / 1000, idle.get(device)
            )
            for device, method, energy in readings
        ]
        own = {"id": row["id"], "coefficient": coefficient, "readings": [asdict(reading) for reading in full]}
        problem = self._write_files(dict(row), encode, own)
        complete = ended and problem is None
        status = {
            "status": "measured" if complete else "partial",
            "reasons": [*reasons, *([] if problem is None else [problem])],
            "csv_path": None if problem is not None else str(self._csv),
            "duration_s": float(row["duration(s)"]),
            "energy_kwh": float(row["power_consumption(kWh)"]),
            "co2_kg": float(row["CO2_emissions(kg)"]),
            "coefficient": coefficient,
            "cpu_watts": cpu_watts,
            "readings": own["readings"],
        }
        _replace(self._status, json.dumps(status))

    def _write_files(self, row: dict[str, str], encode: Callable[[str], str], own: dict[str, Any]) -> str | None:
        encoded = {name: encode(value) for name, value in row.items()}
        try:
            readings_path = self._csv.with_name(self._csv.name + READINGS_SUFFIX)
            self._csv.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._csv.parent, seconds=LOCK_SECONDS):
                _put_row(self._csv, row)
                _put_row(self._csv.with_name(ENCODED_PREFIX + self._csv.name), encoded)
                _put_readings(readings_path, own)
        except (OSError, EmissionsFileError) as error:
            return f"the figures can not be written: {reason_of(error)}"
        return None


def _put_row(path: Path, row: dict[str, str]) -> None:
    """Add the row to a file, or renew it there; its byte order mark and the order of its columns stay.

    Raises EmissionsFileError if the file has other columns, OSError.
    """
    rows: list[dict[str, str]] = []
    columns, mark = tuple(row), ""
    if path.exists() and path.stat().st_size:
        form, rows = require_form(path)
        columns, mark = form.columns, BYTE_ORDER_MARK if form.marked else ""
    places = [place for place, other in enumerate(rows) if other["id"] == row["id"]]
    if places:
        rows[places[-1]] = row
    else:
        rows.append(row)
    text = io.StringIO(newline="")
    text.write(mark)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _replace(path, text.getvalue())


def _put_readings(path: Path, own: dict[str, Any]) -> None:
    """Add a run's readings to a file, or renew them there. Raises EmissionsFileError if it is none of ours, OSError."""
    data = path.read_bytes() if path.exists() else b"[]"
    try:
        kept = [run for run in json.loads(data.decode("utf-8-sig")) if run["id"] != own["id"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmissionsFileError(f"{path}: no file of readings: {error}") from error
    _replace(path, json.dumps([*kept, own], ensure_ascii=False))


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all. Not synced to the disk: this happens every second, beside a run."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
