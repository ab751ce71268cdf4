"""`OUTPUT/log.csv`: step, name, value. A resumed run goes on behind its checkpoint, without a step written twice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from contest.writing import write_bytes
from errors import UserError
from training.tune.callbacks.callback import TrainingRun
from training.tune.callbacks.csv_file import append, csv_lines, read_rows
from training.tune.callbacks.log import Sink

LOG_FILE = "log.csv"
HEADER = ("step", "name", "value")
MOVE_IT = "move the file away"


class LogFileError(UserError):
    """A file that is no log of a run; names the file and the line."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One value of one step."""

    step: int
    name: str
    value: float


def read_log(path: Path) -> list[LogRow]:
    """Read a log. A last line that a kill cut short is left out. Raises `LogFileError`, OSError."""
    data = path.read_bytes()
    if (other := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise LogFileError(other.what, "move it away", where=str(path))
    error = partial(LogFileError, remedy=MOVE_IT, where=str(path))
    rows = read_rows(data, "a run", HEADER, error)
    return [_row(path, number, fields) for number, fields in enumerate(rows, start=2)]


def _row(path: Path, number: int, fields: list[str]) -> LogRow:
    try:
        step, name, value = fields
        return LogRow(int(step), name, float(value))
    except ValueError as error:
        problem = f"line {number} is not a step, a name and a value"
        raise LogFileError(problem, MOVE_IT, where=str(path)) from error


class CsvLog(Sink):
    """A sink that appends to `OUTPUT/log.csv`, each row at once."""

    def open(self, run: TrainingRun) -> None:
        """Drop the rows behind the checkpoint, which the run will write again."""
        self._path = run.output / LOG_FILE
        kept = [row for row in read_log(self._path) if row.step <= run.resumed_step] if self._path.is_file() else []
        write_bytes(self._path, csv_lines([HEADER, *map(astuple, kept)]))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line for each value, all at once."""
        known = {name: float(value) for name, value in values.items() if not math.isnan(value)}
        append(self._path, csv_lines((step, name, value) for name, value in known.items()))
