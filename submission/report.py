"""What a run tells about itself: `run.json`, and the problems on stderr. Knows nothing of how the work is done."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from contest import VERSION
from contest.errors import ContestError, quote
from contest.items import Sample
from submission.deadline import Ending
from submission.progress import counted, say

RUN_REPORT_NAME = "run.json"
MAX_PRINTED_PROBLEMS = 20
DONE, DONE_WITH_PROBLEMS = 0, 1


@dataclass(frozen=True)
class Problem:
    """Something that went wrong for one sample (or for all of them), though the run went on.

    `phase` is read, picture, encode, answer, draw, improve, journal, predictions or run; `error` says what was wrong,
    `instead` what the sample got, `remedy` what to do about it, where that is known.
    """

    sample_id: str | None
    phase: str
    error: str
    instead: str
    trace: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, error: ContestError, phase: str, instead: str, sample_id: str | None) -> Problem:
        """Return the problem that an error is: its remedy comes last, and its sample is named once."""
        reason = error.reason
        if error.sample_id is not None and error.sample_id == sample_id:
            reason = reason.replace(f", sample {quote(sample_id)}", "", 1).replace(
                f" sample {quote(sample_id)}:", "", 1
            )
        return cls(sample_id, phase, reason, instead, remedy=error.remedy)

    def __str__(self) -> str:
        sample = "" if self.sample_id is None else f"sample {self.sample_id!r}: "
        return "; ".join(filter(None, (f"{self.phase}: {sample}{self.error}", self.instead, self.remedy)))


@dataclass(frozen=True)
class PhaseReport:
    """How one phase went: samples it had to do, seconds, tokens drawn, batch size at its beginning and at its end."""

    samples: int
    failed: int
    seconds: float
    steps: int
    batch_size: int
    last_batch_size: int

    def then(self, later: PhaseReport) -> PhaseReport:
        """Both passes of one phase, one after the other."""
        return PhaseReport(
            self.samples + later.samples,
            self.failed + later.failed,
            self.seconds + later.seconds,
            self.steps + later.steps,
            max(self.batch_size, later.batch_size),
            min(self.last_batch_size, later.last_batch_size),
        )

    def beside(self, other: PhaseReport) -> PhaseReport:
        """The same phase in two processes at once."""
        both = self.then(other)
        return PhaseReport(**{**asdict(both), "seconds": max(self.seconds, other.seconds)})


@dataclass
class Outcome:
    """What one process of a run did, for its share of the samples.

    Attributes:
        process: its number, from 0.
        device: `cpu`, `cuda` and what the device calls itself.
        answers: texts by sample id, what stands in for a failed one included.
        pictured: ids of samples that have a picture drawn.
        phases: how each phase went.
        problems: what went wrong.
        memory: the plan that the batch sizes come from.
        rescued: answers and pictures computed in bfloat16 because they overflowed in float16.
        not_finite: logits of those that were infinite or undefined in float16.
        ending: how it ended.
        error: why, where that needs words.
        trace: the traceback of that error, if it has one.
        seconds: how long it took.

    """

    process: int
    device: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    pictured: set[str] = field(default_factory=set)
    phases: dict[str, PhaseReport] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    rescued: int = 0
    not_finite: int = 0
    ending: Ending = Ending.FINISHED
    error: str = ""
    trace: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        value = {**asdict(self), "pictured": sorted(self.pictured), "ending": self.ending.name}
        return {name: _writable(field) for name, field in value.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """Return what `to_json` was called on."""
        return cls(
            **{
                **value,
                "pictured": set(value["pictured"]),
                "phases": {name: PhaseReport(**phase) for name, phase in value["phases"].items()},
                "problems": [Problem(**problem) for problem in value["problems"]],
                "ending": Ending[value["ending"]],
            }
        )


class Report:
    """What `run.json` says of a run: the outcomes of its processes, put together.

    A restart goes on with an earlier run only if it has the same `configuration`.
    """

    def __init__(self, configuration: dict[str, Any], samples: Sequence[Sample], outcomes: Sequence[Outcome]) -> None:
        self.configuration = configuration
        self.samples = samples
        self.outcomes = outcomes
        self.answers = {key: text for outcome in outcomes for key, text in outcome.answers.items()}
        self.pictured = {key for outcome in outcomes for key in outcome.pictured}
        self.problems = [problem for outcome in outcomes for problem in outcome.problems]
        self.ending = max((outcome.ending for outcome in outcomes), key=list(Ending).index)
        self.rescued = sum(outcome.rescued for outcome in outcomes)
        self.not_finite = sum(outcome.not_finite for outcome in outcomes)
        self.error = "; ".join(dict.fromkeys(outcome.error for outcome in outcomes if outcome.error))
        # Ids of samples for which nothing is known, but what an earlier run on this input left.
        self.earlier_answers: Set[str] = frozenset()
        self.earlier_pictures: Set[str] = frozenset()
        self.unwritten: list[str] = []

    @property
    def status(self) -> int:
        """The exit status that the command line documents."""
        if self.unwritten:
            return Ending.FAILED.status
        if self.ending is Ending.FINISHED:
            return DONE_WITH_PROBLEMS if self.problems else DONE
        return self.ending.status

    def missing(self) -> dict[str, list[str]]:
        """Ids of the samples that were not reached: the fallback stands in for their answer, or for their picture."""
        drawn = self.pictured | failed_ids(self.problems) | self.earlier_pictures
        answered = self.answers.keys() | self.earlier_answers
        return {
            "answers": [sample.id for sample in self.samples if sample.id not in answered],
            "pictures": [sample.id for sample in self.samples if not sample.has_image and sample.id not in drawn],
        }

    def phases(self) -> dict[str, PhaseReport]:
        """How each phase went in all processes together."""
        found: dict[str, PhaseReport] = {}
        for outcome in self.outcomes:
            for name, phase in outcome.phases.items():
                found[name] = found[name].beside(phase) if name in found else phase
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        return {
            **self.configuration,
            "versions": {"fbc2": VERSION, "python": platform.python_version(), "torch": torch.__version__},
            "device": self.outcomes[0].device,
            "ended": self.ending.word,
            "error": _writable(self.error),
            "trace": _writable("\n".join(outcome.trace for outcome in self.outcomes if outcome.trace)),
            "counts": {
                "samples": len(self.samples),
                "text_only": sum(not sample.has_image for sample in self.samples),
                "pictures": len(self.pictured),
                "failed": len(failed_ids(self.problems)),
            },
            "missing": self.missing(),
            "phases": {name: asdict(phase) for name, phase in self.phases().items()},
            "memory_plan": self.outcomes[0].memory,
            "seconds": max(outcome.seconds for outcome in self.outcomes),
            "rescued_in_bfloat16": self.rescued,
            "logits_not_finite": self.not_finite,
            "processes": [
                {
                    "process": outcome.process,
                    "device": outcome.device,
                    "ended": outcome.ending.word,
                    "answers": len(outcome.answers),
                    "pictures": len(outcome.pictured),
                    "seconds": outcome.seconds,
                }
                for outcome in self.outcomes
            ],
            "problems": [_writable(asdict(problem)) for problem in self.problems],
        }

    def write(self, write: Callable[[], object]) -> None:
        """Write one of the run's last files; that it can not be written is told with the rest."""
        try:
            write()
        except ContestError as error:
            self.unwritten.append(str(error))

    def tell(self, output: Path) -> None:
        """Name on stderr what went wrong, the first twenty problems one by one, and what is missing."""
        if self.rescued:
            say(
                f"warning: {counted(self.not_finite, 'logit')} not finite in float16; what they were for "
                f"({self.rescued} of the answers and pictures) was computed in bfloat16 instead"
            )
        for problem in self.problems[:MAX_PRINTED_PROBLEMS]:
            say(f"error: {problem}")
        more = len(self.problems) - MAX_PRINTED_PROBLEMS
        if more > 0:
            say(f"error: ... and {more} more")
        if self.problems:
            say(
                f"error: {counted(len(self.problems), 'problem')} in all; {output / RUN_REPORT_NAME} lists them with "
                "their traces"
            )
        for error in self.unwritten:
            say(f"error: what was written there before is whole: {error}")
        if self.ending is Ending.FINISHED:
            return
        if self.error:
            say(f"error: {self.error}")
        say(f"error: ended early: {self.ending.word}; {self._left()}; {self._remedy()}")

    def _left(self) -> str:
        missing, samples = self.missing(), counted(len(self.samples), "sample")
        lacking = _answers_and_pictures(len(missing["answers"]), len(missing["pictures"]))
        left = f"fallbacks stand in for {lacking} of {samples}"
        earlier = _answers_and_pictures(len(self.earlier_answers), len(self.earlier_pictures))
        return f"{earlier} are an earlier run's, {left}" if self.earlier_answers or self.earlier_pictures else left

    def _remedy(self) -> str:
        if self.ending is Ending.FAILED:
            return "when that is mended, the same command goes on from here"
        if self.ending is Ending.STORAGE:
            return "make room on the disk, then the same command goes on from here"
        return "the same command goes on from here"


def _answers_and_pictures(answers: int, pictures: int) -> str:
    return f"{counted(answers, 'answer')} and {counted(pictures, 'picture')}"


def _writable(value: Any) -> Any:
    """The value with escapes for what UTF-8 has no form for: half a surrogate pair in a broken id or file name."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [_writable(entry) for entry in value]
        case dict():
            return {name: _writable(entry) for name, entry in value.items()}
    return value


def describe(device: torch.device) -> dict[str, str]:
    """Type of the device, and name of the GPU or of the processor's architecture."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"type": device.type, "name": name}


def failed_ids(problems: Sequence[Problem]) -> set[str]:
    """Ids of the samples that have a problem."""
    return {problem.sample_id for problem in problems if problem.sample_id is not None}
