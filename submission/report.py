"""What a run says about itself: `run.json`, and the problems on stderr."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, MutableMapping, MutableSet, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from contest import VERSION
from contest.command_line import DONE, WITH_FAULTS
from contest.console import counted
from contest.errors import ContestError, quote
from contest.items import Sample
from contest.stored_samples import with_picture
from submission.deadline import RunStatus, worst
from submission.progress import complain, warn
from submission.sessions import Session
from submission.tables import IdSet, SampleIds, TextTable, Union, known_to

RUN_REPORT_NAME = "run.json"
MAX_PRINTED_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class RunProblem:
    """Something that went wrong for one sample (or for all of them), though the run went on.

    `phase` is read, picture, encode, answer, options, draw, ask again, read crops, captions, improve, journal,
    predictions or run; `code` is the stable name of its kind; `error` says what was wrong, `fallback` what the sample
    got instead, `remedy` what to do about it, where that is known.
    """

    sample_id: str | None
    phase: str
    code: str
    error: str
    fallback: str
    trace: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, error: ContestError, phase: str, fallback: str, sample_id: str | None) -> RunProblem:
        """Return the problem that an error is: its remedy comes last, and its sample is named once."""
        reason = error.reason.removeprefix(f"[{error.code_name}] ")
        if error.sample_id is not None and error.sample_id == sample_id:
            reason = reason.replace(f", sample {quote(sample_id)}", "", 1).replace(
                f" sample {quote(sample_id)}:", "", 1
            )
        return cls(sample_id, phase, error.code_name, reason, fallback, remedy=error.remedy)

    def __str__(self) -> str:
        sample = "" if self.sample_id is None else f"sample {self.sample_id!r}: "
        said = f"[{self.code}] {self.phase}: {sample}{self.error}"
        return "; ".join(filter(None, (said, self.fallback, self.remedy)))

    def to_json(self) -> dict[str, Any]:
        """Return it as `run.json` has it, where the fallback is called "instead"."""
        return {("instead" if name == "fallback" else name): _writable(part) for name, part in asdict(self).items()}


@dataclass(frozen=True)
class PhaseReport:
    """How one phase went: samples it had to do, seconds, tokens sampled, batch size at its beginning and at its end."""

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

    def overlap(self, other: PhaseReport) -> PhaseReport:
        """The same phase in two processes at once."""
        return replace(self.then(other), seconds=max(self.seconds, other.seconds))


@dataclass
class RankResult:
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
        window: how many codes of a picture are computed at once; None: as many as prove fastest.
        passes: of the network, over the codes of one picture each.
        codes: drawn in these.
        near_ties: of those that were drawn several a pass, how many rounding could have drawn otherwise.
        graph_steps: steps and passes that were launched as CUDA graphs.
        graph_problem: why no more of them were, if a capture failed.
        status: how it ended.
        error: why, where that needs words.
        trace: the traceback of that error, if it has one.
        seconds: how long it took.
        draws: of how many an answer is the best, by sample id, where it is of several.

    """

    process: int
    device: dict[str, str]
    answers: MutableMapping[str, str] = field(default_factory=dict)
    pictured: MutableSet[str] = field(default_factory=set)
    phases: dict[str, PhaseReport] = field(default_factory=dict)
    problems: list[RunProblem] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    rescued: int = 0
    not_finite: int = 0
    window: int | None = 1
    passes: int = 0
    codes: int = 0
    near_ties: int = 0
    graph_steps: int = 0
    graph_problem: str = ""
    status: RunStatus = RunStatus.FINISHED
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    draws: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        value = {each.name: getattr(self, each.name) for each in fields(RankResult)}
        value["answers"], value["pictured"] = dict(self.answers), sorted(self.pictured)
        value["status"] = self.status.name
        value["phases"] = {name: asdict(phase) for name, phase in self.phases.items()}
        value["problems"] = [asdict(problem) for problem in self.problems]
        return {name: _writable(part) for name, part in value.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RankResult:
        """Return what `to_json` was called on."""
        return cls(
            **{
                **value,
                "pictured": set(value["pictured"]),
                "phases": {name: PhaseReport(**phase) for name, phase in value["phases"].items()},
                "problems": [RunProblem(**problem) for problem in value["problems"]],
                "status": RunStatus[value["status"]],
            }
        )


@dataclass
class RunSummary:
    """What `run.json` says of a run: the results of its processes, put together.

    A restart goes on with an earlier run only if it has the same `configuration`. `fault` is the error that ended this
    process, if it is one of the program itself. `ids` are those of the samples, for tables, where there may be many.
    """

    configuration: dict[str, Any]
    samples: Sequence[Sample]
    results: Sequence[RankResult]
    fault: Exception | None = None
    ids: SampleIds = field(default_factory=SampleIds)

    def __post_init__(self) -> None:
        results = self.results
        only = results[0].answers if len(results) == 1 else None
        self.answers = only.copy() if isinstance(only, TextTable) else TextTable(self.ids)
        self.draws: dict[str, int] = {}  # where they are more than one
        # A lost process's are what its journal has, perhaps of an earlier run: who goes on with a sample knows better.
        for result in sorted(results, key=lambda each: each.status is not RunStatus.PROCESS_LOST):
            self.take_answers(result.answers, result.draws)
        self.pictured = IdSet(self.ids)
        for result in results:
            self.pictured.update(result.pictured)
        self.problems = [problem for result in results for problem in result.problems]
        self.status = worst(result.status for result in results)
        self.rescued = sum(result.rescued for result in results)
        self.not_finite = sum(result.not_finite for result in results)
        self.graph_problem = "; ".join(dict.fromkeys(each.graph_problem for each in results if each.graph_problem))
        self.error = "; ".join(dict.fromkeys(result.error for result in results if result.error))
        # Ids of samples for which nothing is known, but what an earlier run on this input left.
        self.earlier_answers: Set[str] = frozenset()
        self.earlier_pictures: Set[str] = frozenset()
        self.unwritten: list[str] = []
        # What all sessions cost, one by one and together; None where a share does not tell.
        self.sessions: Sequence[Session] = ()
        self.cost: dict[str, Any] | None = None

    def take_answers(self, answers: Mapping[str, str], draws: Mapping[str, int], *, earlier: bool = False) -> None:
        """Take answers over, but for those that are the best of fewer draws than what is there, or with `earlier` of
        as many."""
        for key, text in answers.items():
            more = draws.get(key, 1) - self.draws.get(key, 1)
            if key not in self.answers or more > 0 or (more == 0 and not earlier):
                if self.answers.get(key) != text:
                    self.answers[key] = text
                if key in draws or key in self.draws:
                    self.draws[key] = draws.get(key, 1)

    @property
    def exit_status(self) -> int:
        """The exit status that the command line documents."""
        if self.unwritten:
            return RunStatus.FAILED.exit_status
        if self.status is RunStatus.FINISHED:
            return WITH_FAULTS if self.problems else DONE
        return self.status.exit_status

    def missing(self) -> dict[str, list[str]]:
        """Ids of the samples that were not reached: the fallback stands in for their answer, or for their picture."""
        failed = ids_with_problems([problem for problem in self.problems if problem.phase == "draw"])
        drawn = Union(failed, self.earlier_pictures)
        unanswered = known_to(self.answers, self.samples, False)
        undrawn = known_to(self.pictured, with_picture(self.samples, False), False)
        return {
            "answers": [sample.id for sample in unanswered if sample.id not in self.earlier_answers],
            "pictures": [sample.id for sample in undrawn if sample.id not in drawn],
        }

    def phases(self) -> dict[str, PhaseReport]:
        """How each phase went in all processes together."""
        phases: dict[str, PhaseReport] = {}
        for result in self.results:
            for name, phase in result.phases.items():
                phases[name] = phases[name].overlap(phase) if name in phases else phase
        return phases

    def to_json(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        return {
            **self.configuration,
            "versions": {"fbc2": VERSION, "python": platform.python_version(), "torch": torch.__version__},
            "device": self.results[0].device,
            "ended": self.status.word,
            "error": _writable(self.error),
            "trace": _writable("\n".join(result.trace for result in self.results if result.trace)),
            "counts": {
                "samples": len(self.samples),
                "text_only": len(with_picture(self.samples, False)),
                "pictures": len(self.pictured),
                "failed": len(ids_with_problems(self.problems)),
            },
            "missing": self.missing(),
            "phases": {name: asdict(phase) for name, phase in self.phases().items()},
            "memory_plan": self.results[0].memory,
            "seconds": max(result.seconds for result in self.results),
            "cost": self.cost,
            "rescued_in_bfloat16": self.rescued,
            "logits_not_finite": self.not_finite,
            "drawing": self._drawing(),
            "cuda_graphs": {"steps": sum(result.graph_steps for result in self.results), "problem": self.graph_problem},
            "processes": [
                {
                    "process": result.process,
                    "device": result.device,
                    "ended": result.status.word,
                    "answers": len(result.answers),
                    "pictures": len(result.pictured),
                    "seconds": result.seconds,
                }
                for result in self.results
            ],
            "problems": [problem.to_json() for problem in self.problems],
        }

    def _drawing(self) -> dict[str, Any]:
        """How many codes of a picture a pass computed at most, how many it drew, and how many were near-ties."""
        window, passes = self.results[0].window, sum(result.passes for result in self.results)
        return {
            "window": "auto" if window is None else window,
            "codes_a_pass": sum(result.codes for result in self.results) / passes if passes else None,
            "near_ties": sum(result.near_ties for result in self.results),
            "pictures": "as drawn one by one" if window == 1 else "as drawn one by one, but for rounding at near-ties",
        }

    @contextmanager
    def noting_failures(self) -> Iterator[None]:
        """Write one of the run's last files in here; if it can not be written, the summary says so."""
        try:
            yield
        except ContestError as error:
            self.unwritten.append(str(error))

    def print_summary(self, output: Path) -> None:
        """Name on stderr what went wrong, the first twenty problems one by one, and what is missing."""
        if self.rescued:
            warn(
                f"{counted(self.not_finite, 'logit')} not finite in float16; what they were for "
                f"({self.rescued} of the answers and pictures) was computed in bfloat16 instead"
            )
        if self.graph_problem:
            warn(f"no CUDA graphs were made any more, steps were launched one by one: {self.graph_problem}")
        for problem in self.problems[:MAX_PRINTED_PROBLEMS]:
            complain(str(problem))
        if self.problems:
            in_all = counted(len(self.problems), "problem")
            named = f", the first {MAX_PRINTED_PROBLEMS} above" if len(self.problems) > MAX_PRINTED_PROBLEMS else ""
            complain(f"[PROBLEMS] {in_all} in all{named}; {output / RUN_REPORT_NAME} lists them with their traces")
        for error in self.unwritten:
            complain(f"{error}; what was written there before is whole")
        if self.status is RunStatus.FINISHED:
            return
        if self.error and self.fault is None:
            complain(self.error if self.error.startswith("[") else f"[{self.status.name}] {self.error}")
        complain(f"[{self.status.name}] ended early: {self.status.word}; {self._left()}; {self._remedy()}")

    def _left(self) -> str:
        missing, samples = self.missing(), counted(len(self.samples), "sample")
        lacking = answers_and_pictures(len(missing["answers"]), len(missing["pictures"]))
        left = f"fallbacks stand in for {lacking} of {samples}"
        earlier = answers_and_pictures(len(self.earlier_answers), len(self.earlier_pictures))
        return f"{earlier} are an earlier run's, {left}" if self.earlier_answers or self.earlier_pictures else left

    def _remedy(self) -> str:
        if self.fault is not None:
            return "what is done is kept"
        if self.status in (RunStatus.FAILED, RunStatus.INPUT_CHANGED):
            return "put that right, then start the same command again"
        if self.status is RunStatus.STORAGE:
            return "make room on the disk, then the same command goes on from here"
        return "the same command goes on from here"


def answers_and_pictures(answers: int, pictures: int) -> str:
    """Return both numbers with their words."""
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


def ids_with_problems(problems: Sequence[RunProblem]) -> set[str]:
    """Ids of the samples that have a problem."""
    return {problem.sample_id for problem in problems if problem.sample_id is not None}
