"""A run of the first challenge as the leaderboard keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.json_values import WrongValueError, entry, list_of, mapping, number, optional, read_json, reading, text
from evaluation.metrics.fbc1.overall import MINIMA

RESULT_REMEDY = "give a file that `evaluation score --challenge fbc1 --json` wrote"


@dataclass(frozen=True, slots=True)
class BoardScore:
    """A subtask's score with what the leaderboard shows of it."""

    score: float
    interval: tuple[float, float] | None
    n: int
    signature: str


@dataclass(frozen=True, slots=True)
class BoardRun:
    """What the leaderboard takes from a result: `integral` is the sum, where all four subtasks have a score."""

    mode: str
    test: str
    integral: float | None
    tasks: Mapping[str, BoardScore]
    integral_interval: tuple[float, float] | None = None
    comparable: bool = True

    @property
    def mode_name(self) -> str:
        """The mode: its evaluation has no stages."""
        return self.mode


def read_board_run(path: Path) -> BoardRun:
    """Read what `evaluation score --challenge fbc1 --json` wrote. Raises ResultFileError."""
    with reading(path, "result", RESULT_REMEDY):
        value = mapping(read_json(path), "the top level")
        subtasks = {
            name: mapping(subtask, f"subtask {name[:40]!r}")
            for name, subtask in entry(value, "subtasks", mapping).items()
            if name in MINIMA
        }
        scored = {name: it for name, it in subtasks.items() if entry(it, "score", optional(number)) is not None}
        if not scored:
            raise WrongValueError("no subtask has a score")
        tests = [f"{name} {entry(it, 'test', text)}" for name, it in scored.items()]
        return BoardRun(
            mode=entry(value, "mode", text),
            test=hashlib.sha256("\n".join(tests).encode()).hexdigest(),
            integral=entry(value, "total", optional(number)),
            tasks={name: _score(it) for name, it in scored.items()},
            integral_interval=_bounds(value, "total_interval"),
        )


def _score(subtask: dict[str, object]) -> BoardScore:
    return BoardScore(
        score=entry(subtask, "score", number),
        interval=_bounds(subtask, "interval"),
        n=int(entry(subtask, "n", number)),
        signature=entry(subtask, "signature", text),
    )


def _bounds(value: dict[str, object], name: str) -> tuple[float, float] | None:
    bounds = None if name not in value else entry(value, name, optional(list_of(number)))
    if bounds is not None and len(bounds) != 2:
        raise WrongValueError(f'"{name}" is not two numbers')
    return None if bounds is None else (bounds[0], bounds[1])
