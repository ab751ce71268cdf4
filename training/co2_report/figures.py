"""Gathers a run's figures of energy and CO2: eco2AI's, and our own by epoch. Draws nothing and writes nothing.

Figures are sums over the sessions of a run, and over machines. What could not be measured is None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass as plain_dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from contest.emissions.rows import EmissionsFileError, EmissionsRow, EnergyReading, read_readings, read_rows
from contest.emissions.training_summary import TrainingEmissions
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from errors import UserError, reason_of
from training.tune.callbacks.co2_log import CO2_FILE, END, PREPARATION, TRAINING, WHOLE, Co2Row, read_co2_log
from training.tune.emissions import RUN_FILE

PART = ConfigDict(strict=True)


@dataclass(config=PART, frozen=True)
class SessionRecord:
    """What `co2_run.json` says of one session of a run."""

    id: str | None
    started: str
    status: str | None
    reasons: list[str]
    host: str = ""
    nodes: int = 1


@dataclass(config=PART, frozen=True)
class RunRecord:
    """What `co2_run.json` holds."""

    project_name: str
    experiment_description: str
    country: str
    emissions_file: str
    parameters: int
    final: bool
    stretches: list[SessionRecord]


class Co2ReportError(UserError):
    """A run whose CO2 can not be reported; names the file and what to do."""


@plain_dataclass(frozen=True, slots=True)
class ReportedSession:
    """One session of the run on one machine (one that was killed and went on has several).

    `row` is eco2AI's, `readings` are our own of it. `node` is the machine's number, `host` its name.
    """

    node: int
    host: str
    id: str
    started: str
    status: str | None
    reasons: tuple[str, ...]
    row: EmissionsRow | None
    readings: tuple[EnergyReading, ...]


@plain_dataclass(frozen=True, slots=True)
class NodeFigures:
    """What one node used over all its sessions; `name` has its number and its hosts."""

    name: str
    sessions: int
    energy_kwh: float | None
    co2_kg: float | None
    own_co2_kg: float | None


@plain_dataclass(frozen=True, slots=True)
class RunPart:
    """One epoch (or what comes before and after them), by our own reading; losses are None where there was none."""

    label: str
    steps: int
    loss: float | None
    validation_loss: float | None
    energy_kwh: float | None
    co2_kg: float | None


@plain_dataclass(frozen=True, slots=True)
class Point:
    """A loss, and all CO2 (kg, our own reading) up to it, what lost sessions made of it included."""

    step: int
    co2_kg: float
    loss: float


@plain_dataclass(frozen=True, slots=True)
class Figures:
    """Everything that plots and page show."""

    summary: TrainingEmissions
    country: str
    sessions: tuple[ReportedSession, ...]
    nodes: tuple[NodeFigures, ...]
    parts: tuple[RunPart, ...]
    validation: tuple[Point, ...]
    training: tuple[Point, ...]


def gather(run: Path) -> Figures:
    """Read a run's folder.

    Raises Co2ReportError where nothing of a measurement is there, `Co2FileError`, OSError.
    """
    records = [*run.glob(RUN_FILE), *sorted(run.glob(f"{Path(RUN_FILE).stem}.node*.json"), key=_number_of)]
    if not records:
        raise Co2ReportError(
            f"{run}: there is no {RUN_FILE}", "train with emissions.file=emissions.csv to measure a run"
        )
    about = _record(records[0])
    problems: list[str] = []
    abouts = [(_number_of(record), _record(record)) for record in records]
    sessions = [session for number, own in abouts for session in _sessions(run, number, own, problems)]
    most = max((session.nodes for session in about.stretches), default=1)
    if most > len(records):
        problems.append(f"{most} nodes trained, and {len(records)} measured what they used")
    first, others = run / CO2_FILE, sorted(run.glob(f"{Path(CO2_FILE).stem}.node*.csv"))
    rows = [row for path in (first, *others) if path.is_file() for row in read_co2_log(path)]
    if not rows:
        problems.append(f"{CO2_FILE} has no rows: there are no figures by epoch")
    problems += sorted({f"{row.device}: {row.method}" for row in rows if row.energy_kwh is None})
    measured = [session.row for session in sessions if session.row is not None]
    summary = TrainingEmissions(
        project_name=about.project_name,
        experiment_description=about.experiment_description,
        parameters=about.parameters,
        final=about.final,
        stretches=len(about.stretches),
        duration_s=_sum(row.duration_s for row in measured),
        energy_kwh=_sum(row.energy_kwh for row in measured),
        co2_kg=_sum(row.co2_kg for row in measured),
        readings=_by_device(sessions),
        problems=tuple(dict.fromkeys(problems)),
    )
    parts = _parts(rows)
    validation, training = _points(rows)
    return Figures(summary, about.country, tuple(sessions), _by_node(sessions), parts, validation, training)


def _number_of(record: Path) -> int:
    """The node's number in the name of its record; 0 of the first one, which has none."""
    return int(record.stem.rpartition(".node")[2]) if ".node" in record.stem else 0


def _record(path: Path) -> RunRecord:
    data = path.read_bytes()
    if (other := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise Co2ReportError(str(other), where=str(path))
    try:
        return TypeAdapter(RunRecord).validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        names = ", ".join(".".join(map(str, one["loc"])) for one in error.errors() if one["loc"])
        problem = f"{names} missing or of a wrong type" if names else first["msg"]
        raise Co2ReportError(f"no record of a run's measurement: {problem}", where=str(path)) from error


def _sessions(run: Path, node: int, about: RunRecord, problems: list[str]) -> list[ReportedSession]:
    path = run / about.emissions_file
    try:
        rows, readings = {row.id: row for row in read_rows(path)}, read_readings(path)
    except (OSError, EmissionsFileError) as error:
        problems.append(f"eco2AI's file can not be read: {reason_of(error)}")
        rows, readings = {}, {}
    found = []
    for number, entry in enumerate(about.stretches, start=1):
        row, name = rows.get(entry.id or ""), f"session {number} (from {entry.started})"
        if row is not None and not row.co2_kg:
            problems.append(f"{name}: eco2AI's row says 0: it ended before anything was measured")
            row = None
        elif row is None and rows:
            problems.append(f"{name}: eco2AI has no row of it")
        if entry.status is None:
            problems.append(f"{name} did not end itself: its figures stop with the last period of measurement")
        problems += [f"{name}: {reason}" for reason in entry.reasons]
        own = readings.get(entry.id or "", ())
        problems += [f"{name}: {reading.device}: {reading.method}" for reading in own if reading.co2_kg is None]
        reasons = tuple(entry.reasons)
        found.append(ReportedSession(node, entry.host, entry.id or "", entry.started, entry.status, reasons, row, own))
    return found


def _by_node(sessions: Sequence[ReportedSession]) -> tuple[NodeFigures, ...]:
    found = []
    for node in sorted({session.node for session in sessions}):
        own = [session for session in sessions if session.node == node]
        hosts = ", ".join(dict.fromkeys(session.host for session in own if session.host))
        rows = [session.row for session in own if session.row is not None]
        read = [reading.co2_kg for session in own for reading in session.readings]
        found.append(
            NodeFigures(
                name=f"node {node} ({hosts})" if hosts else f"node {node}",
                sessions=len(own),
                energy_kwh=_sum(row.energy_kwh for row in rows),
                co2_kg=_sum(row.co2_kg for row in rows),
                own_co2_kg=_measured(read),
            )
        )
    return tuple(found)


def _by_device(sessions: Sequence[ReportedSession]) -> tuple[EnergyReading, ...]:
    """Our own readings, one a device: sums over sessions, with the last one's method."""
    devices: dict[str, list[EnergyReading]] = {}
    for session in sessions:
        for reading in session.readings:
            devices.setdefault(reading.device, []).append(reading)
    return tuple(
        EnergyReading(
            device=device,
            method=found[-1].method,
            energy_kwh=_measured(reading.energy_kwh for reading in found),
            co2_kg=_measured(reading.co2_kg for reading in found),
        )
        for device, found in devices.items()
    )


def _parts(rows: Sequence[Co2Row]) -> tuple[RunPart, ...]:
    groups: dict[tuple[int, int], list[Co2Row]] = {}
    order = {PREPARATION: 0, TRAINING: 1, END: 2, WHOLE: 3}
    labels = {PREPARATION: "preparation", END: "end", WHOLE: "other machines"}
    for row in rows:
        place = order.get(row.part, 3)
        groups.setdefault((place, row.epoch if row.part == TRAINING else 0), []).append(row)
    steps = _steps_between(rows)
    found = []
    for key in sorted(groups):
        of_part = groups[key]
        first = of_part[0]
        marks = dict.fromkeys(map(_mark, of_part))
        weighted = [(loss, steps[mark]) for mark in marks if (loss := mark[4]) is not None and steps[mark] > 0]
        validated = [row.validation_loss for row in of_part if row.validation_loss is not None]
        found.append(
            RunPart(
                label=labels.get(first.part, str(first.epoch)),
                steps=sum(steps[mark] for mark in marks),
                loss=math.fsum(loss * n for loss, n in weighted) / sum(n for _, n in weighted) if weighted else None,
                validation_loss=validated[-1] if validated else None,
                energy_kwh=_measured(row.energy_kwh for row in of_part),
                co2_kg=_measured(row.co2_kg for row in of_part),
            )
        )
    return tuple(found)


Mark = tuple[str, str, str, int, float | None, float | None]


def _mark(row: Co2Row) -> Mark:
    """What rows of several devices have in common that were written at one moment."""
    return row.stretch, row.time, row.part, row.step, row.loss, row.validation_loss


def _steps_between(rows: Sequence[Co2Row]) -> dict[Mark, int]:
    """Steps made up to each mark since the one before it."""
    steps: dict[Mark, int] = {}
    last: dict[str, int] = {}
    for mark in dict.fromkeys(map(_mark, rows)):
        session, _, _, step, *_ = mark
        steps[mark] = step - last.get(session, step)
        last[session] = step
    return steps


def _points(rows: Sequence[Co2Row]) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Points of the validation loss and of the training loss; none while no energy is known."""
    validation, training, used = [], [], 0.0
    marks: dict[Mark, list[Co2Row]] = {}
    for row in rows:
        if row.part != WHOLE:
            marks.setdefault(_mark(row), []).append(row)
    for (_, _, _, step, loss, validation_loss), found in marks.items():
        known = _measured(row.co2_kg for row in found)
        used += known or 0.0
        if not used:
            continue
        if validation_loss is not None:
            validation.append(Point(step, used, validation_loss))
        if loss is not None:
            training.append(Point(step, used, loss))
    return tuple(validation), tuple(training)


def _sum(values: Iterable[float]) -> float | None:
    found = list(values)
    return math.fsum(found) if found else None


def _measured(values: Iterable[float | None]) -> float | None:
    """Sum of what is known; None where nothing is, or nothing but zeros: that is below what a counter can tell."""
    return math.fsum(value for value in values if value is not None) or None
