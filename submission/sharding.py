"""A run in several processes under torchrun: which one this is, and which samples are its own."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contest.items import Sample
from contest.selection import Selection
from errors import UserError

START = "start the run with torchrun"


class LaunchError(UserError):
    """The processes of a run were not started as a run needs them."""


@dataclass(frozen=True)
class Shard:
    """One process of a run: `number` of `count`. `launch` is the same for processes that were started together.

    Raises LaunchError if there is no such process.
    """

    number: int = 0
    count: int = 1
    launch: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise LaunchError(f"process {self.number} of {self.count}: numbers run from 0", START)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the answers file."""
        return self.number == 0

    @property
    def others(self) -> list[int]:
        """The numbers of the other processes."""
        return [number for number in range(self.count) if number != self.number]

    def of(self, samples: Sequence[Sample]) -> Selection[Sample]:
        """This process's samples: of each kind every `count`-th, as samples of one kind take equally long."""
        if self.count == 1:
            return Selection.of(samples)
        pictured = array("I", (number for number, sample in enumerate(samples) if sample.has_image))
        text_only = array("I", (number for number, sample in enumerate(samples) if not sample.has_image))
        mine = [number for part in (pictured, text_only[::-1]) for number in part[self.number :: self.count]]
        return Selection.of(samples, sorted(mine))


ONLY = Shard()


def shard_of_process(environment: Mapping[str, str]) -> Shard:
    """Return what torchrun's variables say; without them, the only process.

    Raises LaunchError for several machines, or for variables that torchrun would not set.
    """

    def number(name: str) -> int:
        value = environment.get(name, "")
        if not value.isdecimal():
            raise LaunchError(f"the environment says {name}={value!r}, which is no number", START)
        return int(value)

    if environment.get("WORLD_SIZE", "1") == "1":
        return ONLY
    count = number("WORLD_SIZE")
    if "LOCAL_WORLD_SIZE" in environment and number("LOCAL_WORLD_SIZE") != count:
        remedy = "start torchrun with --nnodes 1, and give each machine a --shard"
        raise LaunchError("the processes of a run must be on one machine", remedy)
    parent = os.getppid()
    started = process_stat(parent)[19]  # in ticks since the boot
    restarts = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    return Shard(number("RANK"), count, f"{parent}.{started}.{restarts}")


def process_stat(pid: int) -> list[str]:
    """Return what the system says of a process, from its state on (see proc(5)): its name may have spaces."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
