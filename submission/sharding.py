"""A run in several processes under torchrun: whose a sample is, and how the first process learns what the others did.

They share nothing but the output folder: no process waits for another one but the first, at its end, and that one never
for a process that is gone. Knows nothing of the work.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from contest.errors import ContestError
from contest.items import Sample
from contest.writing import write_json

STARTING_SECONDS = 120.0  # that the first process waits, after its own work, for one that did not even begin
SECONDS_BETWEEN_LOOKS = 0.2
PARTS_DIR = ".processes"

Handed: TypeAlias = dict[int, dict[str, Any] | None]


@dataclass(frozen=True)
class Shard:
    """One process of a run: `number` of `count`. `launch` tells processes started together from all others.

    Raises ValueError if there is no such process.
    """

    number: int = 0
    count: int = 1
    launch: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"process {self.number} of {self.count}: numbers run from 0")

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the answers file."""
        return self.number == 0

    @property
    def others(self) -> list[int]:
        """The numbers of the other processes."""
        return [number for number in range(self.count) if number != self.number]

    def of(self, samples: Sequence[Sample]) -> list[Sample]:
        """This process's samples: of each kind every `count`-th, as samples of one kind take equally long."""
        pictured = [sample for sample in samples if sample.has_image]
        text_only = [sample for sample in samples if not sample.has_image]
        mine = {sample.id for part in (pictured, text_only[::-1]) for sample in part[self.number :: self.count]}
        return [sample for sample in samples if sample.id in mine]


ONLY = Shard()


def shard_of_process(environment: Mapping[str, str]) -> Shard:
    """Return what torchrun's variables say; without them, the only process.

    Raises ValueError for several machines, or for variables that torchrun would not set.
    """

    def number(name: str) -> int:
        value = environment.get(name, "")
        if not value.isdecimal():
            raise ValueError(f"the environment says {name}={value!r}, which is no number; start the run with torchrun")
        return int(value)

    if environment.get("WORLD_SIZE", "1") == "1":
        return ONLY
    count = number("WORLD_SIZE")
    if "LOCAL_WORLD_SIZE" in environment and number("LOCAL_WORLD_SIZE") != count:
        raise ValueError("the processes of a run must be on one machine; start torchrun with --nnodes 1")
    parent = os.getppid()
    started = _stat(parent)[19]  # in ticks since the boot
    restarts = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Shard(number("RANK"), count, f"{parent}.{started}.{restarts}")


class Parts:
    """What the processes of a run leave for the first one, each in a file of its own in the output folder."""

    def __init__(self, output: Path, shard: Shard) -> None:
        self.folder = output / PARTS_DIR
        self.shard = shard

    def begin(self) -> None:
        """Say that this process is at work. Raises ContestError or OSError if that can not be written."""
        self.folder.mkdir(exist_ok=True)
        self._write(None)

    def deliver(self, outcome: Mapping[str, Any]) -> bool:
        """Hand in what this process did; return False if the first one has ended without waiting for it.

        Raises ContestError if it can not be written.
        """
        try:
            self._write(outcome)
        except ContestError:
            if self.folder.is_dir():
                raise
            return False
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether what this process handed in still lies there."""
        return self._read(self.shard.number) is not None

    @property
    def first_is_at_work(self) -> bool:
        """Whether the first process waits for what the others hand in. Otherwise it is gone, or has not yet begun."""
        part = self._read(0)
        return part is not None and _is_alive(part["pid"])

    @property
    def are_complete(self) -> bool:
        """Whether nobody else writes here any more; a first process that has not begun may do so yet."""
        parts = {number: self._read(number) for number in self.shard.others}
        if 0 in parts and parts[0] is None:
            return False
        return not any(part and part["outcome"] is None and _is_alive(part["pid"]) for part in parts.values())

    def collect(self, while_waiting: Callable[[], None], patience: float = math.inf) -> Handed:
        """Wait for the other processes; what each handed in, or None for one that is gone without.

        `while_waiting` is called between looks. After `patience` seconds those that have not handed in count as gone.
        """
        found: Handed = {}
        began = time.monotonic()
        others = set(self.shard.others)
        while set(found) != others:
            waited = time.monotonic() - began
            for number in others - set(found):
                part = self._read(number)
                if part is None:  # not begun
                    gone = waited > min(patience, STARTING_SECONDS)
                else:
                    gone = waited > patience or not _is_alive(part["pid"])
                    part = self._read(number)  # it may have handed in between the two looks
                if gone or (part is not None and part["outcome"] is not None):
                    found[number] = None if part is None else part["outcome"]
            if set(found) != others:
                while_waiting()
                time.sleep(SECONDS_BETWEEN_LOOKS)
        return found

    def clear(self) -> None:
        """Remove what was handed in, in this run or in one that was killed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.json"

    def _write(self, outcome: Mapping[str, Any] | None) -> None:
        value = {"launch": self.shard.launch, "pid": os.getpid(), "outcome": outcome}
        write_json(self._path(self.shard.number), value)

    def _read(self, number: int) -> dict[str, Any] | None:
        """Return a process's part; None if there is none of this launch."""
        try:
            part: dict[str, Any] = json.loads(self._path(number).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return part if part["launch"] == self.shard.launch else None


def _is_alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] != "Z"  # killed, but nobody has asked for its exit status
    except (FileNotFoundError, ProcessLookupError):
        return False


def _stat(pid: int) -> list[str]:
    """What the system says of a process, from its state on (see proc(5)): its name may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
