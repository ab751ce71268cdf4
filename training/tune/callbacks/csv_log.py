"""`OUTPUT/log.csv`: step, name, value. A resumed run goes on behind its checkpoint, without a step written twice."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contest.console import csv_row
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from contest.writing import write_bytes
from errors import UserError
from training.tune.callbacks.appending import append
from training.tune.callbacks.callback import TrainingRun
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
    try:
        data = path.read_bytes()
        if (other := stand_in_of_data(data[:HEAD_BYTES])) is not None:
            raise LogFileError(other.what, "move it away", where=str(path))
        # What stands behind the last line break was not written to its end.
        lines = data.decode("utf-8").split("\n")[:-1]
        found = list(csv.reader(lines))
        if not found or tuple(found[0]) != HEADER:
            raise LogFileError(f"line 1: the columns are not {', '.join(HEADER)}", MOVE_IT, where=str(path))
        return [_row(path, number, fields) for number, fields in enumerate(found[1:], start=2)]
    except UnicodeDecodeError as error:
        problem = f"no log of a run: byte {error.start} is not UTF-8"
        raise LogFileError(problem, MOVE_IT, where=str(path)) from error
    except csv.Error as error:
        raise LogFileError(f"no log of a run: {error}", MOVE_IT, where=str(path)) from error


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
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(csv_row(HEADER))
        writer.writerows(csv_row((row.step, row.name, repr(row.value))) for row in kept)
        write_bytes(self._path, text.getvalue().encode())

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line for each value, all at once."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            csv_row((step, name, repr(float(value)))) for name, value in values.items() if not math.isnan(value)
        )
        append(self._path, text.getvalue().encode())
