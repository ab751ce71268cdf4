"""What a run came to: whose fault a failure is, and whether the attempt counts.

A limit that was passed makes an attempt invalid. Beyond that, what counts is what the submission wrote: where its
predictions are sound, its exit status is only remarked upon, for the contest scores files and not processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import unique
from pathlib import Path
from typing import Any

from contest.writing import write_bytes, write_json
from errors import ErrorCode
from evaluation.container.job import MOST_SIGNAL, NOT_FOUND, SIGNAL_BASE, Ended
from evaluation.container.limits import RunLimits
from evaluation.container.supervision import Stop
from evaluation.table import columns

_FALLBACKS = (
    "the attempt counts, but the submission may have answered nothing itself: {}. "
    "Are its predictions fallbacks, because its weights could not be loaded? The end of the log tells"
)
VERDICT_JSON, VERDICT_TEXT = "verdict.json", "verdict.txt"
MAX_PROBLEMS = 20


@unique
class Fault(ErrorCode):
    """Who or what is at fault: (what happened, what its owner can do)."""

    NONE = ("the attempt is valid", "nothing")
    TIME = ("the submission took longer than it may", "make it faster, or let it finish with what it has by the clock")
    MEMORY = ("the submission used more memory than it may", "use smaller batches, and load weights only once")
    OUTPUT = ("the submission wrote more than it may", "write the predictions and one picture a sample, nothing else")
    CRASH = ("the submission ended without sound predictions and with an error", "read the end of the log")
    FORMAT = ("the archive or its predictions are not as the contest wants them", "`python -m submission check` tells")
    HOST = ("the organisers' machine failed, and not the submission", "nothing: the organisers run it again")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whose fault it is, in particular: problems one by one (of the submission's own files), remarks, and warnings.

    A warning is for an attempt that counts, though it may not be what its makers meant.
    """

    fault: Fault
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def judge(
    ended: Ended, limits: RunLimits, *, wrote_too_much: bool, problems: Sequence[str], hint: str | None = None
) -> Judgement:
    """Return whose fault it is, from how the run ended, what it wrote, and what is wrong with its predictions.

    `hint` is what the submission says of a failure of its own: it is passed on, and decides nothing.
    """
    remarks = list(ended.remarks)
    if ended.out_of_memory:
        remarks.append("the kernel killed a process of the submission for its memory")
    if ended.stop is Stop.EXITED and ended.status:
        remarks.append(f"the submission {_status_in_words(ended.status)}")
    said = tuple(remarks)
    if ended.host_problem is not None:
        return Judgement(Fault.HOST, (ended.host_problem,), said)
    if ended.stop is Stop.DISK:
        return Judgement(
            Fault.HOST, ("the organisers' disk was full before the limit of the output was reached",), said
        )
    if ended.stop is Stop.TIME:
        return Judgement(Fault.TIME, (f"stopped after {ended.seconds:.0f} s; {limits.seconds:g} s are allowed",), said)
    if ended.stop is Stop.OUTPUT or wrote_too_much:
        allowed = f"{limits.output} bytes and {limits.output_files} files are allowed"
        return Judgement(Fault.OUTPUT, (f"it wrote too much; {allowed}",), said)
    if ended.out_of_memory and ended.status:
        return Judgement(Fault.MEMORY, (f"{limits.memory} bytes are allowed",), said)
    if not problems:
        signs = [f"it {_status_in_words(ended.status)}"] if ended.status else []
        signs += [] if hint is None else [hint]
        return Judgement(Fault.NONE, (), said, (_FALLBACKS.format(" and ".join(signs)),) if signs else ())
    return Judgement(Fault.CRASH if ended.status else Fault.FORMAT, tuple(problems), said)


def _status_in_words(status: int) -> str:
    if status == NOT_FOUND:
        return f"ended with status {status}: its entrypoint, or a program that it starts, is not there"
    if SIGNAL_BASE < status <= SIGNAL_BASE + MOST_SIGNAL:
        return f"was ended by signal {status - SIGNAL_BASE}"
    return f"ended with status {status}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to. All of it may be shown to the participant: scores are by task, never by sample.

    `counts` says whether it is one of the valid attempts of its day. `integral` and `scores` are None and empty
    where nothing was scored; `integral` also where not all twelve tasks were.
    """

    fault: Fault
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    status: int | None = None
    engine: str = ""
    limits_kept: str = ""
    limits: RunLimits = field(default_factory=RunLimits)
    archive_sha256: str = ""
    image: str | None = None
    image_id: str | None = None
    integral: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    comparable: bool = True

    @property
    def counts(self) -> bool:
        """Whether the attempt is valid, and so counts."""
        return self.fault is Fault.NONE

    def to_json(self) -> dict[str, Any]:
        """Return the content of `verdict.json`."""
        rest = {key: value for key, value in asdict(self).items() if key != "fault"}
        fault = {"fault": self.fault.name.lower(), "meaning": self.fault.meaning, "remedy": self.fault.remedy}
        return {"counts": self.counts, **fault, **rest}

    def to_text(self) -> str:
        """Return the verdict as a person reads it."""
        lines = [f"verdict: {'valid' if self.counts else self.fault.name.lower()} ({self.fault.meaning})"]
        lines.append(f"counts as an attempt: {'yes' if self.counts else 'no'}")
        lines += [f"WARNING: {warning}" for warning in self.warnings]
        if not self.counts:
            lines.append(f"what helps: {self.fault.remedy}")
        lines += [f"  problem: {problem}" for problem in self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > MAX_PROBLEMS:
            lines.append(f"  ... and {len(self.problems) - MAX_PROBLEMS} more problems")
        lines += [f"  remark: {remark}" for remark in self.remarks]
        if self.seconds is not None:
            lines.append(f"ran for {self.seconds:.1f} s of {self.limits.seconds:g} s, exit status {self.status}")
        lines.append(f"engine: {self.engine}; limits kept: {self.limits_kept}")
        lines.append(f"image: {self.image} ({self.image_id}); archive: sha256 {self.archive_sha256}")
        if self.scores:
            rows = [("task", "score"), *((key, f"{score:.4f}") for key, score in self.scores.items())]
            rows += [] if self.integral is None else [("S", f"{self.integral:.4f}")]
            lines.append(columns(rows))
            if not self.comparable:
                lines.append("the scores are not comparable with the contest's")
        return "\n".join(lines) + "\n"


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write `verdict.json` and `verdict.txt`. Raises ContestError."""
    write_json(folder / VERDICT_JSON, verdict.to_json(), indent=1)
    write_bytes(folder / VERDICT_TEXT, verdict.to_text().encode())
