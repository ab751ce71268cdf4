"""`OUTPUT/co2.csv`: our own reading of a run's energy, part by part, next to eco2AI's file.

Every row is what was used since the row before it, so that sums over rows are totals: over an epoch, or over all
sessions of a run that was killed and went on. What a lost session used was used, so its rows stay.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from contest.emissions.energy_meter import EnergyMeter, Meter
from contest.emissions.processor_time import CPU_METHOD, cpu_kwh
from contest.emissions.tracking import Tracking
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from errors import UserError
from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.callbacks.csv_file import append, csv_lines, read_rows
from training.tune.callbacks.epochs import epoch_of
from training.tune.settings_keys import allowed, fields_of
from training.tune.validation import Validation

CO2_FILE = "co2.csv"
PREPARATION, TRAINING, END, WHOLE = "preparation", "training", "end", "whole"
UNKNOWN = "not measured"
Count = Annotated[int, Field(ge=0, lt=10**18)]
Figure = Annotated[
    Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(lambda cell: None if cell == "" else cell)
]  # an empty cell of the file is none


class Co2FileError(UserError):
    """A file that is no log of a run's CO2; names the file and the line."""


@dataclass(frozen=True)
class Co2Row:
    """What one device used since the row of that device before.

    Attributes:
        time: when the row ends (UTC, ISO 8601).
        stretch: the id of this session's row in eco2AI's file (the name is that of the column).
        part: `preparation` (reading data and weights), `training` (validation and saving included), `end`, or `whole`
            for a machine that counts no steps.
        step: steps done.
        epoch: epoch of that step, counted from 1; 0 before the first step.
        loss: mean training loss of the steps since the row before; None if there was none.
        validation_loss: as in the log, where the row ends with a validation.
        device: the device, such as `cpu`.
        method: how its energy was come by, or why it was not.
        energy_kwh: energy in kWh; None where it could not be measured.
        co2_kg: that, times the country's coefficient.

    """

    time: str
    stretch: str
    part: str
    step: Count
    epoch: Count
    loss: Figure
    validation_loss: Figure
    device: str
    method: str
    energy_kwh: Figure
    co2_kg: Figure


HEADER = tuple(field.name for field in fields(Co2Row))
ROW = TypeAdapter(Co2Row)


class Co2Log(Callback):
    """Adds rows to `OUTPUT/co2.csv`; `end` and `close` add what was used after the last
    step, when the weights are saved as well. What saving a checkpoint used belongs to the next row.

    Until the measuring process has said the processor's power (a few seconds), rows wait.
    """

    def __init__(self, tracking: Tracking, path: Path, read: Callable[[], Meter] | None = None) -> None:
        self._tracking = tracking
        self._path = path
        self._read = EnergyMeter(tracking).read if read is None else read
        self._before: Mapping[str, float] = {}
        self._waiting: list[tuple[Co2Row, Meter]] = []
        self._losses: list[float] = []
        self._started = False
        self._step, self._epoch_steps, self._log_every, self._last = 0, 1, 1, 0

    def on_start(self, run: TrainingRun) -> None:
        """Write what the preparation used."""
        self._started, self._step, self._last = True, run.resumed_step, run.last_step
        self._epoch_steps, self._log_every = run.epoch_steps, run.log_every
        self._mark(PREPARATION)

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Write where the log has a row, and at the end of an epoch."""
        self._step = step
        self._losses.append(values["loss"])
        if step % self._log_every == 0 or step % self._epoch_steps == 0 or step == self._last:
            self._mark(TRAINING)

    def on_validation(self, step: int, validation: Validation) -> None:
        """Write what the validation used, with its loss."""
        self._mark(TRAINING, validation.loss)

    def end(self) -> None:
        """Read what was used since the last row, while the measurement still goes on."""
        self._mark(END if self._started else WHOLE)

    def close(self) -> None:
        """Write the rows that wait; the measurement has an outcome by now."""
        self._write_waiting()
        if self._waiting:  # the power never became known: the rows say so
            method = ": ".join(filter(None, (UNKNOWN, "; ".join(self._tracking.so_far().reasons))))
            self._write([replace(row, method=method) for row, _ in self._waiting])
            self._waiting = []

    def _mark(self, part: str, validation_loss: float | None = None) -> None:
        losses, self._losses = self._losses, []
        loss = math.fsum(losses) / len(losses) if losses else None
        row = Co2Row(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            stretch=self._tracking.row_id or "",
            part=part,
            step=self._step,
            epoch=epoch_of(self._step, self._epoch_steps) if self._step else 0,
            loss=loss,
            validation_loss=validation_loss,
            device="cpu",
            method=UNKNOWN,
            energy_kwh=None,
            co2_kg=None,
        )
        self._waiting.append((row, self._read()))
        self._write_waiting()

    def _write_waiting(self) -> None:
        figures = self._tracking.so_far()
        if figures.cpu_watts is not None and figures.coefficient is not None:
            watts, coefficient = figures.cpu_watts, figures.coefficient
            self._write([one for row, used in self._waiting for one in self._rows(row, used, watts, coefficient)])
            self._waiting = []

    def _rows(self, row: Co2Row, used: Meter, watts: float, coefficient: float) -> list[Co2Row]:
        """Return a row for each device, with what it used since its row before."""
        method = f"{CPU_METHOD} ({watts:g} W for all packages)"
        found = [("cpu", method, cpu_kwh(used.cpu_seconds, watts)), *used.gpus]
        rows = []
        for device, how, total in found:
            # A counter that began anew (a driver that was reset) must not make energy negative.
            energy = None if total is None else max(0.0, total - self._before.get(device, 0.0))
            co2 = None if energy is None else energy * coefficient / 1000
            rows.append(replace(row, device=device, method=how, energy_kwh=energy, co2_kg=co2))
        self._before = {device: total for device, _, total in found if total is not None}
        return rows

    def _write(self, rows: Sequence[Co2Row]) -> None:
        """Append, all at once. Raises OSError."""
        begun = self._path.is_file() and _without_torn_line(self._path)
        append(self._path, csv_lines([*([] if begun else [HEADER]), *map(astuple, rows)]))


def read_co2_log(path: Path) -> list[Co2Row]:
    """Read a log. A last line that a kill cut short is left out. Raises `Co2FileError`, OSError."""
    data = path.read_bytes()
    if (other := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise Co2FileError(str(other), where=str(path))
    rows = read_rows(data, "a run's CO2", HEADER, partial(Co2FileError, where=str(path)))
    return [_parsed(path, number, values) for number, values in enumerate(rows, start=2)]


def _without_torn_line(path: Path) -> int:
    """Cut off a last line that a kill cut short; return the bytes that are left."""
    with path.open("r+b") as stream:
        if not os.fstat(stream.fileno()).st_size:  # nothing that could be mapped
            return 0
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:  # of which only the end is read
            whole = data.rfind(b"\n") + 1
        return stream.truncate(whole)


def _parsed(path: Path, number: int, values: Sequence[str]) -> Co2Row:
    if len(values) != len(HEADER):
        problem = f"line {number} has {len(values)} cells, and there are {len(HEADER)} columns"
        raise Co2FileError(problem, where=str(path))
    try:
        return ROW.validate_python(dict(zip(HEADER, values, strict=True)))
    except ValidationError as error:
        name, value = str(error.errors()[0]["loc"][0]), error.errors()[0]["input"]
        what = allowed(fields_of(Co2Row)[name])
        raise Co2FileError(f"line {number}: {name} must be {what}, not {value!r}", where=str(path)) from error
