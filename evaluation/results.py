"""The typed result of a scoring run, and its JSON and CSV forms."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from contest.checking import described
from contest.console import Cell, csv_row
from contest.tasks import TASKS, Task, task_by_key
from contest.writing import write_bytes, write_json
from evaluation.cost import FIGURES, RunCost, cost_from_json, cost_to_json
from evaluation.json_values import (
    Reader,
    WrongValueError,
    dict_of,
    entry,
    flag,
    list_of,
    mapping,
    number,
    optional,
    read_json,
    reading,
    text,
    whole,
)
from evaluation.metrics.cases import MODES, STAGES, Mode, Note, Stage
from evaluation.metrics.defects import DEFECTS

T = TypeVar("T")
Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one task got.

    Attributes:
        key: the task's key.
        score: mean over its samples.
        signature: all that the score depends on; only scores of one signature may be compared.
        samples: score of each sample by id, in the order of `ids.json`.
        interval: 95 % confidence interval of the score; None for a single sample or document, which has no spread.
        interval_method: how the interval was made; None where there is none, and in results of before (a bootstrap).
        documents: number of each sample's document, in the order of `samples`; None where each has its own.
        comparable: whether the score measures what the contest measures (not with a stated substitute of a network).
        notes: what struck which sample: warnings, and in mode `strict` errors that cost a sample its score.
        parts: scores that this one is made of, such as meteor, clip, fid and kid.
        part_signatures: what parts depend on that are no part of the score, such as kid and cmmd.
        remarks: what a reader of the score must know, such as too few pictures for a Frechet distance.

    Raises ValueError if there are no samples, a number is not finite, the documents are not one a sample, or the key
    belongs to no task.

    """

    key: str
    score: float
    signature: str
    samples: Mapping[str, float]
    interval: Interval | None = None
    comparable: bool = True
    notes: tuple[Note, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    interval_method: str | None = None
    documents: tuple[int, ...] | None = None
    part_signatures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.key not in {task.key for task in TASKS}:
            raise ValueError(f"there is no task {self.key[:40]!r}")
        if not self.samples:
            raise ValueError(f"task {self.key} has no samples")
        numbers = (self.score, *self.samples.values(), *self.parts.values(), *(self.interval or ()))
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise ValueError(f"task {self.key}: a score is not a finite number")
        if self.documents is not None and len(self.documents) != len(self.samples):
            raise ValueError(f"task {self.key}: {len(self.documents)} documents of {len(self.samples)} samples")

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def statistics(self) -> str:
        """The signature of the interval, which is none of the score: how it was made, and by how many documents."""
        if self.interval_method is None:
            method, version = ("none", 2) if self.interval is None else ("bootstrap", 1)
        else:
            method, version = self.interval_method, 2
        documents = "none" if self.documents is None else str(len(set(self.documents)))
        return f"interval:{method}|confidence:0.95|documents:{documents}|v:{version}"

    @property
    def task(self) -> Task:
        """The task."""
        return task_by_key(self.key)

    @property
    def eligible(self) -> bool | None:
        """Whether the score reaches the bound of prize eligibility; None for hidden tasks, which have none."""
        return None if self.task.threshold is None else self.score >= self.task.threshold


@dataclass(frozen=True, slots=True)
class Result:
    """What a run got: its tasks in task order, and S where all twelve are there.

    `test` is the fingerprint of the test set: its samples, their tasks and their references. `stage` says whether the
    organisers' splitting of the files came first; None in mode `strict`, and in results from before there were stages.
    `cost` is what the run cost that answered; None where that is not known. `truth_faults` say where the ground truth
    is malformed and was read all the same (`official`): they are reported even where nothing else is.
    Raises ValueError for an unknown mode, an integral score outside [0, 1], or one that is there though a task is
    missing (or the reverse).
    """

    mode: Mode
    test: str
    tasks: Mapping[str, TaskResult]
    integral: float | None = None
    integral_interval: Interval | None = None
    warnings: tuple[str, ...] = ()
    stage: Stage | None = None
    cost: RunCost | None = None
    truth_faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.stage is not None and (self.mode != "official" or self.stage not in STAGES):
            raise ValueError(f"stage {self.stage!r} in mode {self.mode!r}: stages of official: {', '.join(STAGES)}")
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r} is unknown; modes: {', '.join(MODES)}")
        if self.integral is not None and not 0 <= self.integral <= 1:
            raise ValueError(f"the integral score {self.integral} lies outside [0, 1]")
        if (self.integral is None) != bool(self.missing_tasks):
            raise ValueError("there is an integral score exactly if all twelve tasks have one")

    @property
    def mode_name(self) -> str:
        """The mode, with the stage where the evaluation stood alone: `official/evaluate`."""
        return f"{self.mode}/{self.stage}" if self.stage == "evaluate" else self.mode

    @property
    def missing_tasks(self) -> tuple[str, ...]:
        """Keys of the tasks without a score: while there are some, S is None."""
        return tuple(task.key for task in TASKS if task.key not in self.tasks)

    @property
    def has_errors(self) -> bool:
        """Whether samples lost their score to an error that is named (mode `strict`)."""
        return self.mode == "strict" and any(task.notes for task in self.tasks.values())

    @property
    def comparable(self) -> bool:
        """Whether every task measures what the contest measures."""
        return all(task.comparable for task in self.tasks.values())

    @property
    def signatures(self) -> dict[str, str]:
        """The signature of each task by its key."""
        return {key: task.signature for key, task in self.tasks.items()}


def to_json(result: Result) -> dict[str, Any]:
    """Return the result as a JSON object."""
    return {
        "mode": result.mode,
        "stage": result.stage,
        "test": result.test,
        "integral": result.integral,
        "integral_interval": result.integral_interval,
        "missing_tasks": list(result.missing_tasks),
        "warnings": list(result.warnings),
        **({"truth_faults": list(result.truth_faults)} if result.truth_faults else {}),
        "cost": cost_to_json(result.cost),
        "tasks": {
            key: {
                "score": task.score,
                "n": task.n,
                "signature": task.signature,
                "interval": task.interval,
                "interval_method": task.interval_method,
                "statistics": task.statistics,
                "documents": task.documents,
                "comparable": task.comparable,
                "parts": dict(task.parts),
                "part_signatures": dict(task.part_signatures),
                "remarks": list(task.remarks),
                "notes": [asdict(note) for note in task.notes],
                "samples": dict(task.samples),
            }
            for key, task in result.tasks.items()
        },
    }


def from_json(value: Any) -> Result:
    """Return the result that a JSON object holds. Raises WrongValueError if it holds none."""
    whole_value = mapping(value, "the top level")
    tasks = entry(whole_value, "tasks", mapping)
    return _made(
        Result,
        mode=entry(whole_value, "mode", _one_of(MODES, "modes")),
        test=entry(whole_value, "test", text),
        tasks={key: _task_result(key, mapping(task, f"task {key[:40]!r}")) for key, task in tasks.items()},
        integral=entry(whole_value, "integral", optional(number)),
        integral_interval=entry(whole_value, "integral_interval", optional(_interval)),
        warnings=entry(whole_value, "warnings", list_of(text)),
        stage=optional(_one_of(STAGES, "stages"))(whole_value.get("stage"), "stage"),  # earlier results have none
        cost=optional(cost_from_json)(whole_value.get("cost"), '"cost"'),  # likewise
        truth_faults=list_of(text)(whole_value.get("truth_faults", []), '"truth_faults"'),  # likewise
    )


def _task_result(key: str, task: Mapping[str, Any]) -> TaskResult:
    return _made(
        TaskResult,
        key=key,
        score=entry(task, "score", number),
        signature=entry(task, "signature", text),
        samples=entry(task, "samples", dict_of(number)),
        interval=entry(task, "interval", optional(_interval)),
        comparable=entry(task, "comparable", flag),
        notes=entry(task, "notes", list_of(_note)),
        parts=entry(task, "parts", dict_of(number)),
        remarks=entry(task, "remarks", list_of(text)),
        # Results that were written before these were there have neither.
        interval_method=entry({"interval_method": None, **task}, "interval_method", optional(text)),
        part_signatures=entry({"part_signatures": {}, **task}, "part_signatures", dict_of(text)),
        documents=entry({"documents": None, **task}, "documents", optional(list_of(whole))),
    )


def _made(kind: Callable[..., T], **values: Any) -> T:
    """Make a value of what a file says. Raises WrongValueError for what no value of its kind can be."""
    try:
        return kind(**values)
    except ValueError as error:
        raise WrongValueError(str(error)) from error


def _note(value: Any, name: str) -> Note:
    note = mapping(value, name)
    return Note(
        entry(note, "sample_id", text),
        entry(note, "defect", optional(_defect)),
        entry(note, "message", text),
        entry(note, "voids_task", flag),
    )


def _one_of(known: Sequence[T], kind: str) -> Reader[T]:
    """Return a reader of one of the known words; `kind`: what they are."""

    def read(value: Any, name: str) -> T:
        if value not in known:
            raise WrongValueError(f"{name} is {described(value)}; {kind}: {', '.join(map(str, known))}")
        return known[known.index(value)]

    return read


def _defect(value: Any, name: str) -> int:
    if not isinstance(value, int) or value not in DEFECTS:
        raise WrongValueError(f"{name} is {described(value)}, the number of no difference")
    return value


def _interval(value: Any, name: str) -> Interval:
    bounds = list_of(number)(value, name)
    if len(bounds) != 2:
        raise WrongValueError(f"{name} is {described(value)}, not two numbers")
    return bounds[0], bounds[1]


def write_result(path: Path, result: Result) -> None:
    """Write the result as JSON. Raises ContestError."""
    write_json(path, to_json(result), indent=1)


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote. Raises ResultFileError."""
    with reading(path, "result", "give a file that `evaluation score --json` wrote"):
        return from_json(read_json(path))


# One row a task, then one for S, which has the cost.
CSV_COLUMNS = (
    *("task", "score", "low", "high", "n", "baseline", "threshold", "eligible", "comparable", "signature"),
    *(*FIGURES, "energy_method"),
)


def write_csv(path: Path, result: Result) -> None:
    """Write one row a task and one for S as CSV; what is not there is an empty field. Raises ContestError."""
    low, high = result.integral_interval or (None, None)
    costs = [None if result.cost is None else getattr(result.cost, name) for name in (*FIGURES, "energy_method")]
    integral = ["integral", result.integral, low, high, *[None] * 4, result.comparable, None, *costs]
    write_bytes(path, csv_text([CSV_COLUMNS, *map(_cells, result.tasks.values()), integral]).encode())


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV that no spreadsheet takes for formulas; None is an empty field."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(map(csv_row, rows))
    return stream.getvalue()


def _cells(result: TaskResult) -> Sequence[Cell]:
    low, high = result.interval or (None, None)
    task = result.task
    bounds = (task.baseline, task.threshold, result.eligible, result.comparable)
    return [result.key, result.score, low, high, result.n, *bounds, result.signature, *[None] * (len(FIGURES) + 1)]
