"""What a run tells about itself: `run.json`, and the problems on stderr. Knows nothing of how the work is done."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from submission import VERSION
from submission.progress import say

RUN_REPORT_NAME = "run.json"
MAX_PRINTED_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """Something that went wrong for one sample (or the whole file), though the run went on.

    `phase` is read, picture, encode, answer or draw; `error` says what was wrong, `instead` what the sample got.
    """

    sample_id: str | None
    phase: str
    error: str
    instead: str
    trace: str = ""

    def __str__(self) -> str:
        sample = "" if self.sample_id is None else f"sample {self.sample_id!r}: "
        return f"{self.phase}: {sample}{self.error} ({self.instead})"


@dataclass(frozen=True)
class PhaseReport:
    """How one phase went: samples it had to do, seconds, tokens drawn, batch size at its beginning and at its end."""

    samples: int
    failed: int
    seconds: float
    steps: int
    batch_size: int
    last_batch_size: int


@dataclass
class Report:
    """What `run.json` says. A restart goes on with an earlier run only if it has the same `configuration`."""

    configuration: dict[str, Any]
    device: torch.device
    counts: dict[str, int] = field(default_factory=dict)
    phases: dict[str, PhaseReport] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0
    rescued_in_bfloat16: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        return {
            **self.configuration,
            "versions": {"fbc2": VERSION, "python": platform.python_version(), "torch": torch.__version__},
            "device": {"type": self.device.type, "name": device_name(self.device)},
            "counts": self.counts,
            "phases": {name: asdict(phase) for name, phase in self.phases.items()},
            "seconds": self.seconds,
            "rescued_in_bfloat16": self.rescued_in_bfloat16,
            "problems": [asdict(problem) for problem in self.problems],
        }

    def tell_problems(self, output: Path) -> None:
        """Name the problems on stderr, the first twenty of them one by one."""
        for problem in self.problems[:MAX_PRINTED_PROBLEMS]:
            say(f"error: {problem}")
        more = len(self.problems) - MAX_PRINTED_PROBLEMS
        if more > 0:
            say(f"error: ... and {more} more")
        if self.problems:
            say(f"error: {len(self.problems)} problems in all; {output / RUN_REPORT_NAME} lists them with their traces")


def device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor's architecture."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def failed_ids(problems: Sequence[Problem]) -> set[str]:
    """Ids of the samples that have a problem."""
    return {problem.sample_id for problem in problems if problem.sample_id is not None}
