"""What an engine is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contest.metadata import Metadata
from evaluation.container.limits import RunLimits
from evaluation.container.supervision import BoundedLog, Stop

OUTPUT_FOLDER = "output"
SIGNAL_BASE = 128  # a shell's way to say that a signal ended a process: 128 + its number
MOST_SIGNAL = 64  # of Linux; a status above SIGNAL_BASE + this is a status and nothing more
NOT_FOUND = 127  # and that there is no such command


@dataclass(frozen=True, slots=True)
class Job:
    """A submission ready to run: `submission` is its unpacked archive with an empty `output`, beside it its `input`."""

    submission: Path
    input: Path
    metadata: Metadata
    limits: RunLimits

    @property
    def output(self) -> Path:
        """The folder that the submission writes into."""
        return self.submission / OUTPUT_FOLDER


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        stop: by itself, or by us.
        status: exit status, 128 + number for a signal; None where there was none.
        seconds: wall clock.
        out_of_memory: whether the kernel killed one of its processes for its memory limit.
        host_problem: what went wrong with the engine, where it did.
        remarks: what a reader of the verdict should know.

    """

    stop: Stop
    status: int | None
    seconds: float
    out_of_memory: bool = False
    host_problem: str | None = None
    remarks: tuple[str, ...] = ()


class RunEngine(Protocol):
    """Runs submissions. `keeps` says in a few words which limits it keeps."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def keeps(self) -> str:
        """Which limits it keeps, in words."""

    def image_id(self, job: Job) -> str | None:
        """Identity of the image that would run, None without a container. Raises HostError, ImageTooLargeError."""

    def run(self, job: Job, log: BoundedLog) -> Ended:
        """Run a submission to its end. Raises HostError if it can not be started at all."""
