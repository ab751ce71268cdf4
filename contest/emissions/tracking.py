"""Logs the CO2 of a run with eco2AI, and can neither stop nor slow it.

eco2AI 0.3.12 writes into its own package, runs `top`, asks the network for a country, waits for ever for a file that
another process has open, and spoils a file that two trackers share. So it runs in a process of its own
(`contest.emissions.eco2ai_process`), which watches this one from outside; if it fails, the run goes on and the outcome
says why.
If this process is killed, the other one notices, writes the last figures and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, unique
from pathlib import Path
from typing import Any
from uuid import uuid4

from contest.console import note, say
from contest.emissions.gpu_energy import GpuEnergy
from contest.emissions.processor_time import tree_seconds
from contest.emissions.rows import FINAL_MARK, EnergyReading, append_problem
from errors import UserError, reason_of

PERIOD_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
_COUNTRY = re.compile(r"[A-Z]{2}")
_ROOT = Path(__file__).resolve().parents[2]


@unique
class Status(Enum):
    """How far a measurement came."""

    MEASURED = "measured"
    PARTIAL = "partial"  # there are figures, but they stop before the run did, or a file of them is missing
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Emissions:
    """What came of a measurement. The figures are eco2AI's own; `readings` stand beside them, one for each device.

    `coefficient` is in kg of CO2 per MWh, `cpu_watts` the power of all processor packages together. `reasons` says what
    was not measured, and why, a sentence each.
    """

    status: Status
    reasons: tuple[str, ...] = ()
    csv_path: Path | None = None
    duration_s: float | None = None
    energy_kwh: float | None = None
    co2_kg: float | None = None
    coefficient: float | None = None
    readings: tuple[EnergyReading, ...] = ()
    cpu_watts: float | None = None

    def __str__(self) -> str:
        figures = ""
        if self.co2_kg is not None and self.energy_kwh is not None:
            figures = f": {self.co2_kg:.3g} kg of CO2, {self.energy_kwh:.3g} kWh"
        return f"emissions {self.status.value}{figures}" + "".join(f"; {reason}" for reason in self.reasons)


def tell(outcome: Emissions | None, place: str = "") -> None:
    """Say what came of a measurement; to who asked for quiet only that it is not whole."""
    whole = outcome is not None and outcome.status is Status.MEASURED
    (note if whole else say)(f"{place}: {outcome}" if place else outcome)


@dataclass
class Tracking:
    """A measurement that is going on. `so_far` may be asked at any time; `outcome` is there after the end.

    `row_id` is the id of its row in eco2AI's file; None if nothing is measured. `root` is the process that is measured
    with its descendants, all but `measurer`; `seconds` is the processor time that they had used when it began, `gpus`
    are the numbers by CUDA of the GPUs measured (None: all).
    """

    _folder: Path | None
    _process: subprocess.Popen[bytes] | None
    _problem: str | None
    row_id: str | None = None
    root: int = 0
    seconds: float = 0.0
    gpus: tuple[int, ...] | None = None
    outcome: Emissions | None = None

    @property
    def measurer(self) -> int | None:
        """Process id of the one that measures."""
        return None if self._process is None else self._process.pid

    def so_far(self) -> Emissions:
        """Return the figures of the last second or so: for a plot of CO2 by epoch."""
        if self.outcome is not None:
            return self.outcome
        if self._problem is not None or self._folder is None:
            return Emissions(Status.NOT_MEASURED, (self._problem or "not started",))
        return _read_status(self._folder)

    def _finish(self, patience: float) -> None:
        """Set the outcome; wait for the other process no longer than `patience` seconds."""
        if self._process is None or self._folder is None:
            self.outcome = self.so_far()
            return
        problem = None
        try:
            problem = _stop(self._process, patience)
            seen = _read_status(self._folder)
            if problem is not None:
                said = _last_line(self._folder / "stderr")
                reasons = (*seen.reasons, f"{problem} ({said})" if said else problem)
                status = Status.PARTIAL if seen.co2_kg is not None else Status.NOT_MEASURED
                seen = replace(seen, status=status, reasons=reasons)
            self.outcome = seen
        finally:
            if self._process.poll() is None:
                self._process.kill()
                # Reaped on a thread: a process that the kernel holds on to must not hold the run.
                threading.Thread(target=self._process.wait, daemon=True).start()
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def track(
    project: str,
    description: str,
    csv_path: str | os.PathLike[str],
    country: str,
    *,
    final: bool = False,
    tdp_watts: float | None = None,
    root: int | None = None,
    gpus: tuple[int, ...] | None = None,
    period: float = PERIOD_SECONDS,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[Tracking]:
    """Measure the enclosed work of this process and its children; add a row to `csv_path`, eco2AI's file.

    `encoded_<name>` (the encoded form of the same rows) and `<name>.readings.json` (our own reading) lie beside it,
    and all three are renewed every `period` seconds, so that a run that is killed leaves what it measured.

    Args:
        project: what the rules call project_name.
        description: what the rules call experiment_description: the model, its parameter count and so on.
        csv_path: the file; rows of other runs in it stay.
        country: two capital letters (ISO 3166), always needed: eco2AI would ask the network for it.
        final: mark the row as the one that counts, by the rules' key phrase in its description.
        tdp_watts: power of one processor package; None takes eco2AI's guess from the processor's name.
        root: another process to measure, with its children: the one that started several which work together.
        gpus: numbers by CUDA of the GPUs that the work computes on; None counts all that it may use.
        period: seconds between two measurements.
        patience: seconds that the end waits for the figures, at most.

    Raises nothing of its own: what goes wrong is a reason in the outcome. What the enclosed work raises is passed on.
    A file that can take no row (of an older version, or saved by a spreadsheet) is told on the standard error at once.

    """
    if (problem := append_problem(csv_path)) is not None:
        say(f"CO2: the row of this run can not be added: {problem}; name another file")
    if final and FINAL_MARK not in description:
        description = f"{description} {FINAL_MARK}".lstrip()
    tracking = _start(
        {
            "project": project,
            "description": description,
            "csv": os.path.abspath(csv_path),
            "country": country,
            "tdp_watts": tdp_watts,
            "period": period,
            "parent": os.getpid(),
            "pid": os.getpid() if root is None else root,
            "gpus": gpus,
        }
    )
    try:
        yield tracking
    finally:
        tracking._finish(patience)


class CountryCodeError(UserError, argparse.ArgumentTypeError):
    """No code of a country; as the type of an option, its message is what the command line says."""


def country_code(text: str) -> str:
    """Return the code of a country in capitals. Raises CountryCodeError if it is not two letters."""
    code = text.upper()
    if not _COUNTRY.fullmatch(code):
        raise CountryCodeError(f"{text!r} is no code of a country, such as RU")
    return code


def _start(settings: dict[str, Any]) -> Tracking:
    """Start the process that measures; what prevents it is a problem of the tracking.

    Returns at once, but for the half second in which GPUs are looked at before they have work.
    """
    if sys.platform != "linux":
        return Tracking(None, None, f"processor time is read from /proc, which {sys.platform} does not have")
    if not _COUNTRY.fullmatch(str(settings["country"])):
        return Tracking(None, None, f"the country {settings['country']!r} is not two capital letters, such as RU")
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="emissions-"))
        seconds, row_id = tree_seconds(settings["pid"], without=()), str(uuid4())
        idle = GpuEnergy(os.environ.get("CUDA_VISIBLE_DEVICES"), settings["gpus"]).idle_watts()
        now = {"id": row_id, "start": time.time(), "seconds": seconds, "idle_watts": idle}
        (folder / "settings.json").write_text(json.dumps({**settings, **now}), encoding="utf-8")
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with open(folder / "stderr", "wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "contest.emissions.eco2ai_process", str(folder)],
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=stderr,
                cwd=folder,
                env=environment,
                start_new_session=True,  # an interrupt from the keyboard is for the run, and the run tells this process
            )
    except (OSError, ValueError) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return Tracking(None, None, f"the measuring process can not be started: {reason_of(error)}")
    return Tracking(folder, process, None, row_id=row_id, root=settings["pid"], seconds=seconds, gpus=settings["gpus"])


def _stop(process: subprocess.Popen[bytes], patience: float) -> str | None:
    """Tell the other process the time of the end and let it finish; return what went wrong, if anything did."""
    try:
        process.communicate(f"{time.time()}\n".encode(), timeout=patience)
    except subprocess.TimeoutExpired:
        return f"the measuring process did not finish within {patience:g} s and was ended"
    except OSError as error:
        return f"the measuring process can not be reached: {reason_of(error)}"
    return f"the measuring process ended with status {process.returncode}" if process.returncode else None


def _read_status(folder: Path) -> Emissions:
    try:
        value = json.loads((folder / "status.json").read_text(encoding="utf-8"))
        value["status"] = Status(value["status"])
        value["reasons"] = tuple(value["reasons"])
        value["csv_path"] = Path(value["csv_path"]) if value["csv_path"] else None
        value["readings"] = tuple(EnergyReading(**reading) for reading in value["readings"])
        return Emissions(**value)
    except FileNotFoundError:
        return Emissions(Status.NOT_MEASURED, ("there is no figure yet",))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Emissions(Status.NOT_MEASURED, (f"the figures can not be read: {reason_of(error)}",))


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
