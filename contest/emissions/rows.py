"""Reads eco2AI's files, as its versions wrote them and as spreadsheets save them.

eco2AI writes commas; a spreadsheet that opened the file saves a byte order mark, semicolons and decimal commas, where
that is the country's way. Older versions had no `id`, `epoch` and `cost`, and other names for some columns.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contest.checking import described
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from errors import UserError

FINAL_MARK = "TargetValue"
"""The key phrase of the rules: of all rows whose description holds it, the last one is the one that counts."""
ENCODED_PREFIX = "encoded_"
READINGS_SUFFIX = ".readings.json"
BYTE_ORDER_MARK = "\ufeff"
COLUMNS = (
    *("id", "project_name", "experiment_description", "epoch", "start_time", "duration(s)"),
    *("power_consumption(kWh)", "CO2_emissions(kg)", "CPU_name", "GPU_name", "OS", "region/country", "cost"),
)
_OLDER = {
    "start_time": "start_time(s)",
    "duration(s)": "time(s)",
    "power_consumption(kWh)": "power_consumption(kWTh)",
    "region/country": "country",
}
_NEEDED = ("project_name", "duration(s)", "power_consumption(kWh)", "CO2_emissions(kg)")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """Our own figure for one device, beside eco2AI's: the contest's formula, `energy * coefficient`, and no more.

    `method` says how the energy was come by; `energy_kwh` is None where it could not be. `idle_kwh` is the part of it
    that the device would have used in the same time with nothing to do; None where that is not known.
    """

    device: str
    method: str
    energy_kwh: float | None
    co2_kg: float | None
    idle_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class EmissionsRow:
    """One row of eco2AI's file. `energy_kwh` and `co2_kg` are its columns power_consumption(kWh), CO2_emissions(kg).

    What an older version did not write is empty; its `id` is then the row's number ("row 1").
    """

    id: str
    project: str
    description: str
    start_time: str
    duration_s: float
    energy_kwh: float
    co2_kg: float
    cpu: str
    gpu: str
    country: str

    @property
    def is_final(self) -> bool:
        """Whether the description has the rules' key phrase."""
        return FINAL_MARK in self.description


class OddFigureError(UserError):
    """A value of a file that is no finite number; says which."""


class EmissionsFileError(UserError):
    """A file is not one of eco2AI's; names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class EmissionsForm:
    """How a file is written: whether a byte order mark begins it, what stands between its cells, its columns."""

    marked: bool
    delimiter: str
    columns: tuple[str, ...]

    @property
    def takes_rows(self) -> bool:
        """Whether a row of the eco2AI of today can be added: the same columns, in any order, between commas."""
        return self.delimiter == "," and sorted(self.columns) == sorted(COLUMNS)


def read_rows(path: str | os.PathLike[str]) -> tuple[EmissionsRow, ...]:
    """Read eco2AI's (unencoded) file. Raises EmissionsFileError for another kind of file, OSError."""
    form, cells = read_cells(path)
    names = _names(path, form)
    return tuple(_row(path, number, row, names) for number, row in enumerate(cells, start=1))


def read_cells(path: str | os.PathLike[str]) -> tuple[EmissionsForm, list[dict[str, str]]]:
    """Read a table's form and its rows as they stand, by column. Raises EmissionsFileError, OSError."""
    file = os.fspath(path)
    data = Path(path).read_bytes()
    if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise EmissionsFileError(f"{file}: {found.what}", found.remedy)
    try:
        text = data.decode("utf-8")
        marked = text.startswith(BYTE_ORDER_MARK)
        lines = list(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline=""))
        if lines[0].lower().startswith("sep="):  # for spreadsheets
            lines = lines[1:]
        delimiter = max(_DELIMITERS, key=lambda mark: _known_columns(lines, mark))
        found_rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise EmissionsFileError(f"{file}: not a CSV file in UTF-8: {error}") from error
    columns = tuple(name.strip() for name in found_rows[0]) if found_rows else ()
    return EmissionsForm(marked, delimiter, columns), list(_by_column(file, columns, found_rows[1:]))


def _known_columns(lines: list[str], delimiter: str) -> int:
    first = next(csv.reader(lines, delimiter=delimiter), [])
    return len({*COLUMNS, *_OLDER.values()} & {name.strip() for name in first})


def _by_column(file: str, columns: tuple[str, ...], rows: list[list[str]]) -> Iterator[dict[str, str]]:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise EmissionsFileError(f"{file}: row {number} has {len(row)} cells, and there are {len(columns)} columns")
        yield dict(zip(columns, row, strict=True))


def append_problem(path: str | os.PathLike[str]) -> str | None:
    """Why a run can not add its row to a file, None if it can; for saying so before the run. Changes nothing."""
    path = Path(path)
    if not path.name or path.is_dir():
        return f"{path} is a folder"
    try:
        for file in (path, path.with_name(ENCODED_PREFIX + path.name)):
            if file.exists() and file.stat().st_size:
                require_form(file)
        read_readings(path)
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            return f"{folder} is no folder that may be written to"
    except EmissionsFileError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or path}: {error.strerror}"
    return None


def require_form(path: Path) -> tuple[EmissionsForm, list[dict[str, str]]]:
    """Read a file that shall take another row. Raises EmissionsFileError if it can not, and OSError."""
    form, cells = read_cells(path)
    if form.takes_rows:
        return form, cells
    if sorted(form.columns) == sorted(COLUMNS):
        how = f"is written with {_DELIMITERS[form.delimiter]} where eco2AI writes commas"
    elif {"project_name", "CO2_emissions(kg)"} <= set(form.columns):
        how = "has other columns than eco2AI's of today, as an older version wrote them"
    else:
        how = "has other columns than eco2AI's"
    raise EmissionsFileError(f"{path} {how}; it stays as it is")


def read_readings(csv_path: str | os.PathLike[str]) -> dict[str, tuple[EnergyReading, ...]]:
    """Return our own readings beside eco2AI's file, by the id of the row; none if only eco2AI measured.

    Raises EmissionsFileError, OSError.
    """
    path = Path(f"{os.fspath(csv_path)}{READINGS_SUFFIX}")
    if not path.exists():
        return {}
    data = path.read_bytes()
    if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise EmissionsFileError(f"{path}: {found.what}", found.remedy)
    try:
        runs = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EmissionsFileError(f"{path}: no file of readings: {error}") from error
    try:
        return {str(run["id"]): tuple(map(reading_of, run["readings"])) for run in runs}
    except KeyError as error:
        raise EmissionsFileError(f"{path}: no file of readings: an entry has no {error}") from error
    except (OddFigureError, TypeError) as error:
        raise EmissionsFileError(f"{path}: no file of readings: {error}") from error


def reading_of(value: Any) -> EnergyReading:
    """A reading of its JSON form. Raises KeyError, TypeError, OddFigureError."""
    energy_kwh, co2_kg = figure_of(value, "energy_kwh"), figure_of(value, "co2_kg")
    idle_kwh = figure_of({"idle_kwh": None, **value}, "idle_kwh")  # earlier files have none
    return EnergyReading(str(value["device"]), str(value["method"]), energy_kwh, co2_kg, idle_kwh)


def figure_of(value: Mapping[str, Any], name: str) -> float | None:
    """As `number_of`, of a figure that may be null."""
    return None if value[name] is None else number_of(value, name)


def number_of(value: Mapping[str, Any], name: str) -> float:
    """A finite figure of a JSON object. Raises KeyError, OddFigureError."""
    try:
        figure = float(value[name])
    except OverflowError as error:
        raise OddFigureError(f"{name!r} is {described(value[name])}, which is too large") from error
    except (TypeError, ValueError) as error:
        raise OddFigureError(f"{name!r} is {described(value[name])}, and no number") from error
    if not math.isfinite(figure):
        raise OddFigureError(f"{name!r} is {figure}")
    return figure


def _names(path: str | os.PathLike[str], form: EmissionsForm) -> dict[str, str | None]:
    """What each column of today is called in a file, None if it is not there. Raises EmissionsFileError."""
    names: dict[str, str | None] = {}
    for name in COLUMNS:
        candidates = (name, _OLDER.get(name, name))
        names[name] = next((candidate for candidate in candidates if candidate in form.columns), None)
    if any(names[name] is None for name in _NEEDED):
        missing = next(name for name in COLUMNS if names[name] is None)
        raise EmissionsFileError(f"{os.fspath(path)}: no column {missing!r}; is it a file that eco2AI wrote?")
    return names


def _row(path: str | os.PathLike[str], number: int, raw: dict[str, str], names: dict[str, str | None]) -> EmissionsRow:
    def text(name: str) -> str:
        place = names[name]
        return "" if place is None else raw[place]

    def figure(name: str) -> float:
        written = text(name)
        try:
            value = float(written.replace(",", ".") if "." not in written else written)
        except ValueError as error:
            raise OddFigureError(str(error)) from error
        if not math.isfinite(value) or value < 0:
            raise OddFigureError(f"{name} is {value}")
        return value

    try:
        return EmissionsRow(
            id=text("id") or f"row {number}",
            project=text("project_name"),
            description=text("experiment_description"),
            start_time=text("start_time"),
            duration_s=figure("duration(s)"),
            energy_kwh=figure("power_consumption(kWh)"),
            co2_kg=figure("CO2_emissions(kg)"),
            cpu=text("CPU_name"),
            gpu=text("GPU_name"),
            country=text("region/country"),
        )
    except OddFigureError as error:
        raise EmissionsFileError(f"{os.fspath(path)}: row {number}: {error}; is it the encoded file?") from error
