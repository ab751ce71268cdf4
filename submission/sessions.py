"""What a run has cost so far: `sessions.jsonl`, a record after each batch of what the session has used by then.

A session is one process from its start to its end or its kill. Its last record counts, so that a restarted run knows
what the killed ones before it used, but for their last batch. Of several processes each has a file of its own. A file
belongs to the journal of the same process: where that is begun anew, so is this.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from contest.emissions.run_energy import MeterRow
from submission.journal import as_recorded, configuration_of, journal_name


@dataclass(frozen=True)
class PhaseCost:
    """What a phase did: samples it gave a result for, seconds, tokens sampled (ids of texts, codes of pictures).

    Raises ValueError for a figure that is negative or not finite.
    """

    done: int = 0
    seconds: float = 0.0
    tokens: int = 0

    def __post_init__(self) -> None:
        _require_figures(self.done, self.seconds, self.tokens)

    def then(self, later: PhaseCost) -> PhaseCost:
        """Both, one after the other."""
        return PhaseCost(self.done + later.done, self.seconds + later.seconds, self.tokens + later.tokens)


@dataclass
class Session:
    """One process of a run from its start on.

    Attributes:
        process: its number, from 0.
        meter: where its energy is written down; None where it is not measured, or by the first process.
        id: its own.
        began: when, in seconds since 1970.
        seconds: how long it has been running.
        phases: what each has cost.
        follows_unknown: whether there was work before it whose sessions left no record: those of an earlier version.

    Raises ValueError for a time that is negative or not finite.

    """

    process: int
    meter: MeterRow | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    began: float = field(default_factory=time.time)
    seconds: float = 0.0
    phases: dict[str, PhaseCost] = field(default_factory=dict)
    follows_unknown: bool = False

    def __post_init__(self) -> None:
        _require_figures(self.began, self.seconds)

    def spend(self, phase: str, cost: PhaseCost) -> None:
        """Add what a batch cost."""
        self.phases[phase] = self.phases.get(phase, PhaseCost()).then(cost)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Session:
        """Return what `asdict` made. Raises KeyError, TypeError, ValueError for what is none."""
        meter = value["meter"]
        return cls(
            int(value["process"]),
            None if meter is None else MeterRow(str(meter["file"]), str(meter["id"])),
            str(value["id"]),
            float(value["began"]),
            float(value["seconds"]),
            {str(name): PhaseCost(**phase) for name, phase in value["phases"].items()},
            bool(value["follows_unknown"]),
        )


def _require_figures(*values: float) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ValueError("a figure is negative or not finite")


class SessionLog:
    """The file of one process. Nothing is written before `begin`, nor after a record that could not be written.

    `started` is when the session began, by the monotonic clock.
    """

    def __init__(self, folder: Path, session: Session, started: float) -> None:
        self.session = session
        self._path = folder / sessions_name(session.process)
        self._started = started
        self._is_open = False
        session.began -= time.monotonic() - started

    def begin(self, *, anew: bool, goes_on: bool) -> None:
        """Begin to write; `anew` forgets the sessions of another run. Raises OSError.

        `goes_on` says that there is work of earlier sessions, which must have left their records here.
        """
        if anew:
            self._path.unlink(missing_ok=True)
        elif goes_on and not self._path.exists():
            self.session.follows_unknown = True
        self._is_open = True
        self.write()

    def write(self) -> None:
        """Add a record of the session as it is now. Raises OSError."""
        self.session.seconds = time.monotonic() - self._started
        if not self._is_open:
            return
        self._is_open = False
        with self._path.open("ab", buffering=0) as file:
            file.write(json.dumps(asdict(self.session)).encode() + b"\n")
        self._is_open = True


def sessions_name(process: int | str) -> str:
    """File name of the sessions of one of several processes, 0 being the first or the only one."""
    return journal_name(process).replace("journal", "sessions")


def read_sessions(folder: Path, configuration: Mapping[str, Any]) -> list[Session]:
    """Return the sessions of a run of this configuration, each as its last whole record has it. Raises OSError."""
    found: dict[str, Session] = {}
    wanted = as_recorded(configuration)
    for path in sorted(folder.glob(journal_name("*"))):
        beside = path.with_name(path.name.replace("journal", "sessions", 1))
        if configuration_of(path) == wanted and beside.is_file():
            with beside.open("rb") as lines:
                for line in lines:
                    try:
                        session = Session.from_json(json.loads(line))
                    except (ValueError, KeyError, TypeError, AttributeError):
                        continue  # cut off by a kill or a full disk: the record before it counts
                    found[session.id] = session
    return sorted(found.values(), key=lambda session: session.began)
