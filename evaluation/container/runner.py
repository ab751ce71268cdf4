"""The whole way of an archive: unpack, run, look at what it wrote, score, verdict."""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from contest.archives import CONTEST_BOUNDS, unpack
from contest.errors import Code, ContestError, ContestFileError
from contest.items import Sample
from contest.limits import INPUT_NAME, METADATA_NAME, PREDICTIONS_NAME
from contest.metadata import read_metadata
from contest.reading import read_input
from contest.writing import is_disk_full, write_bytes
from errors import reason_of
from evaluation.container.aftermath import Aftermath
from evaluation.container.bundle import BUNDLE_FOLDER, plain_log, write_bundle
from evaluation.container.checking import CheckedOutput, check_output
from evaluation.container.container_engine import ContainerEngine
from evaluation.container.errors import HostError, ImageTooLargeError
from evaluation.container.job import OUTPUT_FOLDER, Ended, Job, RunEngine
from evaluation.container.judging import ChildFailedError, ChildTimeoutError
from evaluation.container.keeping import keep_output
from evaluation.container.limits import RunLimits
from evaluation.container.removing import remove_tree, unmount_below
from evaluation.container.staging import stage_input
from evaluation.container.supervision import BoundedLog, Stop, disk_is_full, usage
from evaluation.container.verdict import VERDICT_JSON, VERDICT_TEXT, Fault, Judgement, Verdict, judge, write_verdict
from evaluation.metrics.errors import SPLITTING_DEFECT, AttemptAbortedError
from evaluation.results import Result, write_result

RUN_FOLDER, SUBMISSION_FOLDER, INPUT_FOLDER = "run", "submission", "input"
LOG_NAME, SCORES_NAME, TRACE_NAME, RESERVE_NAME = "log.txt", "scores.json", "host_error.txt", ".reserve"
RESERVE_BYTES = 4 * 2**20  # of room on the disk for the verdict, and so much again for each log
MOST_LOG_RESERVE = 64 * 2**20
_COMMON_PREFIXES = ("/", "/usr", "/usr/local")

Score = Callable[[Path], Result]
"""Scores a predictions file: the evaluator's own function, with the organisers' references behind it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run: an archive on an input, into a new or empty folder; `score` is None where nobody scores.

    `keep` leaves the unpacked archive behind, for an organiser who looks for a mistake. `attempt` is the register and
    the number of the attempt that is freed should this process be killed.
    """

    archive: Path
    input: Path
    output: Path
    engine: RunEngine
    limits: RunLimits
    score: Score | None = None
    keep: bool = False
    attempt: tuple[Path, int] | None = None

    @property
    def input_json(self) -> Path:
        """The input's JSON file."""
        return self.input / INPUT_NAME if self.input.is_dir() else self.input


def run_archive(request: Request, sha256: str) -> Verdict:
    """Run and score a submission; write into the output folder:

    `verdict.json` and `verdict.txt`, the submission's `output`, `log.txt`, `scores.json` (by sample, for the
    organisers), and `bundle/` with what the participant may see.

    Raises ContestFileError for an input that can not be read, HostError for a folder that is not empty, OSError.
    Everything else that goes wrong is in the verdict.
    """
    samples = read_input(request.input_json)
    folder = request.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise HostError(f"{folder} is not empty", "name a new folder: each run has one of its own")
    log = BoundedLog(request.limits.log)
    work = folder / RUN_FOLDER
    blank = Verdict(
        Fault.HOST,
        engine=request.engine.name,
        limits_kept=request.engine.keeps,
        limits=request.limits,
        archive_sha256=sha256,
    )
    engine = request.engine.name if isinstance(request.engine, ContainerEngine) else None
    register, number = request.attempt or (None, None)
    aftermath = Aftermath.of(work, engine, keep=request.keep, register=register, number=number)
    try:
        verdict = _judged(request, samples, folder, log, blank)
    except BaseException:
        remove_tree(folder / OUTPUT_FOLDER)  # nobody has judged it
        raise
    finally:
        if request.keep:
            unmount_below(work)
        else:
            remove_tree(work)
        aftermath.dismiss()
    if log.left_out:
        remark = f"it said {log.said} bytes; {log.left_out} in the middle were left out of the log"
        verdict = replace(verdict, remarks=(*verdict.remarks, remark))
    names = {f"{work / SUBMISSION_FOLDER}/": "", f"{folder}/": "", str(request.archive): request.archive.name}
    return _written(folder, _plain(verdict, names), log)


def _judged(request: Request, samples: Mapping[str, Sample], folder: Path, log: BoundedLog, blank: Verdict) -> Verdict:
    """Everything but the writing of the verdict, with room for it held on the disk."""
    try:
        with _reserve(folder / RUN_FOLDER, RESERVE_BYTES + 2 * min(request.limits.log, MOST_LOG_RESERVE)):
            verdict = _run(request, samples, folder, log, blank)
            if verdict.counts and request.score is not None:
                verdict = _scored(request.score, folder, verdict)
            return verdict
    except (ContestError, OSError) as error:
        return replace(blank, problems=(_of_host(error),))


@contextmanager
def _reserve(folder: Path, size: int) -> Iterator[None]:
    """Hold room on the disk, in a new folder. Raises OSError."""
    folder.mkdir()
    path = folder / RESERVE_NAME
    try:
        with path.open("xb") as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
        yield
    finally:
        path.unlink(missing_ok=True)


def _of_host(error: ContestError | OSError) -> str:
    full = is_disk_full(error) or (isinstance(error, ContestError) and error.code is Code.DISK_FULL)
    return f"the organisers' disk is full: {reason_of(error)}" if full else reason_of(error)


def _written(folder: Path, verdict: Verdict, log: BoundedLog) -> Verdict:
    """Write a verdict and what goes with it; where that fails, no file says anything but that the host is at fault."""
    try:
        write_bytes(folder / LOG_NAME, plain_log(log.content, verdict.limits.log))
        write_bundle(folder, verdict, log.content, _hidden(folder))
        write_verdict(folder, verdict)
    except (ContestError, OSError) as error:
        verdict = _plain(replace(verdict, fault=Fault.HOST, problems=(*verdict.problems, _of_host(error))), {})
        rewrite_verdict(folder, verdict)
    return verdict


def rewrite_verdict(folder: Path, verdict: Verdict) -> None:
    """Put another verdict in the place of one; where it can not be written, there is none at all."""
    for place in (folder, folder / BUNDLE_FOLDER):
        for name in (VERDICT_JSON, VERDICT_TEXT):
            (place / name).unlink(missing_ok=True)
        with suppress(ContestError, OSError):  # it is printed, and the exit status says the same
            write_verdict(place, verdict)


def _hidden(folder: Path) -> set[str]:
    """Paths of this host that a submission may have met, and that are nobody's business."""
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    prefixes = {sys.prefix, sys.base_prefix, os.path.dirname(sys.executable), *libraries}
    return {str(folder), *(prefix for prefix in prefixes if prefix and prefix.rstrip("/") not in _COMMON_PREFIXES)}


def _run(request: Request, samples: Mapping[str, Sample], folder: Path, log: BoundedLog, blank: Verdict) -> Verdict:
    """Everything up to the scores; what the submission wrote is copied beside the verdict. Raises OSError."""
    work = folder / RUN_FOLDER
    submission, remarks = work / SUBMISSION_FOLDER, []
    try:
        unpack(request.archive, submission, replace(CONTEST_BOUNDS, max_bytes=request.limits.archive))
        metadata = read_metadata(submission / METADATA_NAME)
    except ContestFileError as errors:
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
    except ImageTooLargeError as error:
        return replace(blank, fault=Fault.FORMAT, problems=(str(error),))
    except (HostError, ContestError, OSError) as error:
        return replace(blank, problems=(reason_of(error),))
    finding = _look(job, request.input_json, folder / OUTPUT_FOLDER, ended)
    return replace(
        blank,
        fault=finding.fault,
        problems=finding.problems,
        remarks=(*remarks, *finding.remarks),
        warnings=finding.warnings,
        seconds=round(ended.seconds, 3),
        status=ended.status,
    )


def _look(job: Job, input_json: Path, kept_in: Path, ended: Ended) -> Judgement:
    """Take over what a submission wrote, without following any link, look at the copy, and judge. Raises OSError."""
    if job.output.is_symlink() or not job.output.is_dir():
        return judge(ended, job.limits, wrote_too_much=False, problems=["the folder output was replaced"])
    too_much = usage(job.output, job.limits).exceeds(job.limits)
    if ended.stop is Stop.EXITED and not too_much and disk_is_full(job.output):
        ended = replace(ended, stop=Stop.DISK)
    kept = keep_output(job.output, kept_in, job.limits)
    if kept.cut or kept.partly:
        remark = "of what it wrote, not all was kept: it is too much, or can not be read"
        ended = replace(ended, remarks=(*ended.remarks, remark))
    problems = [f"output/{name} is no plain file" for name in kept.not_plain]
    problems += [f"and {kept.unnamed} more that are no plain files"] if kept.unnamed else []
    checked = CheckedOutput()
    if not (too_much or kept.cut) and ended.stop is Stop.EXITED and ended.host_problem is None:
        checked = _checked(job, input_json, kept_in)
    problems += checked.problems
    return judge(ended, job.limits, wrote_too_much=too_much or kept.cut, problems=problems, hint=checked.hint)


def _checked(job: Job, input_json: Path, output: Path) -> CheckedOutput:
    """Check the copy of the output, where its predictions came along."""
    predictions = output / PREDICTIONS_NAME
    if os.path.lexists(job.output / PREDICTIONS_NAME) and not os.path.lexists(predictions):
        message = "it is a link or a device, not a plain file"
        if (job.output / PREDICTIONS_NAME).is_file() and not (job.output / PREDICTIONS_NAME).is_symlink():
            message = "it can not be read"
        return CheckedOutput((str(ContestError(Code.FILE_UNREADABLE, message, file=predictions)),))
    return check_output(input_json, output, job.limits.checking)


def _plain(verdict: Verdict, names: Mapping[str, str]) -> Verdict:
    """Take the organisers' folders out of what the participant may see, and write out what is not to be seen.

    A file's name may hold bytes that are no text, and signs that a terminal obeys.
    """

    def plain(text: str) -> str:
        for name, shown in names.items():
            text = text.replace(name, shown)
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)

    problems, remarks, warnings = (
        tuple(map(plain, texts)) for texts in (verdict.problems, verdict.remarks, verdict.warnings)
    )
    return replace(verdict, problems=problems, remarks=remarks, warnings=warnings)


def _scored(score: Score, folder: Path, verdict: Verdict) -> Verdict:
    """Score the predictions. If a metric stops at them, the attempt is invalid: so the rules have it."""
    try:
        result = score(folder / OUTPUT_FOLDER / PREDICTIONS_NAME)
    except AttemptAbortedError as error:
        what = "the splitting of the files" if error.defect == SPLITTING_DEFECT else "a metric"
        return replace(verdict, fault=Fault.FORMAT, problems=(f"{what} stopped: {error}",))
    except ChildTimeoutError as error:
        return replace(verdict, fault=Fault.HOST, problems=(f"scoring was {error} (limit `scoring`)",))
    except ChildFailedError as error:
        write_bytes(folder / TRACE_NAME, error.words.encode())
        return replace(verdict, fault=Fault.HOST, problems=(f"scoring broke off, {error}; {TRACE_NAME} tells",))
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
