"""The whole way of an archive: unpack, run, look at what it wrote, score, verdict. Leaves each part to its module."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from contest.archives import CONTEST_BOUNDS, unpack
from contest.complete import links_and_devices, prediction_errors
from contest.errors import Code, ContestError, ContestErrors
from contest.items import Sample
from contest.limits import INPUT_NAME, METADATA_NAME, PREDICTIONS_NAME
from contest.metadata import read_metadata
from contest.reading import read_input
from contest.writing import write_bytes
from evaluation.container.bundle import write_bundle
from evaluation.container.errors import HostProblem, ImageTooLarge
from evaluation.container.job import OUTPUT_FOLDER, Ended, Engine, Job
from evaluation.container.limits import Limits
from evaluation.container.staging import stage_input
from evaluation.container.supervision import Log, usage
from evaluation.container.verdict import Fault, Finding, Verdict, judge, write_verdict
from evaluation.metrics.base import AttemptAborted
from evaluation.results import Result, write_result

RUN_FOLDER, SUBMISSION_FOLDER, INPUT_FOLDER = "run", "submission", "input"
LOG_NAME, SCORES_NAME, TRACE_NAME = "log.txt", "scores.json", "host_error.txt"

Score = Callable[[Path], Result]
"""Scores a predictions file: the evaluator's own function, with the organisers' references behind it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run: an archive on an input, into a new or empty folder; `score` is None where nobody scores.

    `keep` leaves the unpacked archive behind, for an organiser who looks for a mistake.
    """

    archive: Path
    input: Path
    output: Path
    engine: Engine
    limits: Limits
    score: Score | None = None
    keep: bool = False

    @property
    def input_json(self) -> Path:
        """The input's JSON file."""
        return self.input / INPUT_NAME if self.input.is_dir() else self.input


def run_archive(request: Request, sha256: str) -> Verdict:
    """Run and score a submission; write into the output folder:

    `verdict.json` and `verdict.txt`, the submission's `output`, `log.txt`, `scores.json` (by sample, for the
    organisers), and `bundle/` with what the participant may see.

    Raises ContestErrors for an input that can not be read, HostProblem for a folder that is not empty, OSError.
    Everything else that goes wrong is in the verdict.
    """
    samples = read_input(request.input_json)
    folder = request.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise HostProblem(f"{folder} is not empty", "name a new folder: each run has one of its own")
    log = Log(request.limits.log)
    work = folder / RUN_FOLDER
    blank = Verdict(
        Fault.HOST,
        engine=request.engine.name,
        limits_kept=request.engine.keeps,
        limits=request.limits,
        archive_sha256=sha256,
    )
    try:
        verdict = _run(request, samples, work, log, blank)
        _keep_output(work, folder)
        if verdict.counts and request.score is not None:
            verdict = _scored(request.score, folder, verdict)
    finally:
        if not request.keep:
            _remove(work)
    if log.left_out:
        remark = f"it said {log.said} bytes; {log.left_out} in the middle were left out of the log"
        verdict = replace(verdict, remarks=(*verdict.remarks, remark))
    names = {f"{work / SUBMISSION_FOLDER}/": "", f"{folder}/": "", str(request.archive): request.archive.name}
    verdict = replace(verdict, problems=tuple(_plain(problem, names) for problem in verdict.problems))
    write_bytes(folder / LOG_NAME, log.content)
    write_verdict(folder, verdict)
    write_bundle(folder, verdict, log.content, folder)
    return verdict


def _run(request: Request, samples: Mapping[str, Sample], work: Path, log: Log, blank: Verdict) -> Verdict:
    """Everything up to the scores; what the submission wrote stays where it wrote it."""
    submission, remarks = work / SUBMISSION_FOLDER, []
    try:
        unpack(request.archive, submission, replace(CONTEST_BOUNDS, max_bytes=request.limits.archive))
        metadata = read_metadata(submission / METADATA_NAME)
    except ContestErrors as errors:
        ours = any(error.code in (Code.DISK_FULL, Code.WRITE_FAILED) for error in errors.errors)
        return replace(blank, fault=Fault.HOST if ours else Fault.FORMAT, problems=tuple(map(str, errors.errors)))
    job = Job(submission, work / INPUT_FOLDER, metadata, request.limits)
    blank = replace(blank, image=metadata.image)
    if os.path.lexists(job.output):
        remarks.append("the archive holds `output`, which was put aside: only what the run writes there counts")
        job.output.rename(work / "output of the archive")
    try:
        job.output.mkdir()
        stage_input(request.input_json, samples.values(), job.input)
        blank = replace(blank, image_id=request.engine.image_id(job))
        ended = request.engine.run(job, log)
    except ImageTooLarge as error:
        return replace(blank, fault=Fault.FORMAT, problems=(str(error),))
    except (HostProblem, ContestError, OSError) as error:
        return replace(blank, problems=(str(error),))
    finding = _look(job, samples, ended)
    return replace(
        blank,
        fault=finding.fault,
        problems=finding.problems,
        remarks=(*remarks, *finding.remarks),
        seconds=round(ended.seconds, 3),
        status=ended.status,
    )


def _look(job: Job, samples: Mapping[str, Sample], ended: Ended) -> Finding:
    """Look at what a submission wrote, without following any link, and judge."""
    too_much = usage(job.output, job.limits).exceeds(job.limits)
    problems: list[str] = []
    if job.output.is_symlink() or not job.output.is_dir():
        problems = ["the folder output was replaced"]
    elif not too_much:
        problems = [f"output/{name} is no plain file" for name in links_and_devices(job.output)]
        problems += map(str, prediction_errors(job.output / PREDICTIONS_NAME, samples))
    return judge(ended, job.limits, wrote_too_much=too_much, problems=problems)


def _remove(folder: Path) -> None:
    """Remove what a submission may have filled, as well as that goes: folders in each other without end, too."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:  # Python goes down one call a folder, rm does not
        subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)


def _plain(text: str, names: Mapping[str, str]) -> str:
    """Take the organisers' folders out of a text that the participant may see, and write out what is not to be seen.

    A file's name may hold bytes that are no text, and signs that a terminal obeys.
    """
    for name, shown in names.items():
        text = text.replace(name, shown)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _keep_output(work: Path, folder: Path) -> None:
    """Move what the submission wrote beside the verdict."""
    output = work / SUBMISSION_FOLDER / OUTPUT_FOLDER
    if output.is_dir() and not output.is_symlink():
        output.rename(folder / OUTPUT_FOLDER)


def _scored(score: Score, folder: Path, verdict: Verdict) -> Verdict:
    """Score the predictions. If a metric stops at them, the attempt is invalid: so the rules have it."""
    try:
        result = score(folder / OUTPUT_FOLDER / PREDICTIONS_NAME)
    except AttemptAborted as error:
        return replace(verdict, fault=Fault.FORMAT, problems=(f"a metric stopped: {error}",))
    except Exception as error:  # whatever it is, the participant's run of hours is kept, and the trace
        write_bytes(folder / TRACE_NAME, traceback.format_exc().encode())
        name = type(error).__name__
        return replace(verdict, problems=(f"scoring failed ({name}); {TRACE_NAME} tells",), fault=Fault.HOST)
    write_result(folder / SCORES_NAME, result)
    return replace(
        verdict,
        integral=result.integral,
        scores={key: task.score for key, task in result.tasks.items()},
        comparable=result.comparable,
    )


def archive_sha256(path: Path) -> str:
    """Return the SHA-256 of an archive in hexadecimal. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
