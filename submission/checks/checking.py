"""All checks over an archive, a folder or a predictions file, and what they find."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contest.archives import Listing, list_archive, unpack
from contest.console import say
from contest.errors import Code, ContestFileError
from contest.limits import INPUT_NAME
from contest.reading import read_input
from submission.checks import ALL_CHECKS, Check, CheckFinding, Subject
from submission.checks.base import MAX_FINDINGS, Clock, OutOfTimeError

MAX_PRINTED = 20  # of one check


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the checks said: findings in the order of the checks, those that passed, those that had nothing to look at,
    those for which there was no time.
    """

    findings: tuple[CheckFinding, ...]
    passed: tuple[Check, ...]
    not_done: tuple[Check, ...]
    unfinished: tuple[Check, ...] = ()

    @property
    def errors(self) -> tuple[CheckFinding, ...]:
        """The findings that are no mere warnings."""
        return tuple(finding for finding in self.findings if finding.check.severity == "error")


def check(path: Path, input_path: Path | None = None, *, time_limit: float = math.inf) -> CheckResult:
    """Check a ZIP archive, a submission's folder, or a predictions file (`.json`), against its input if one is given.

    An archive is unpacked into a temporary folder ($TMPDIR), which takes as much of the disk as its files.
    `time_limit` is in seconds; a check that it interrupts keeps its findings.
    Raises FileNotFoundError, or ContestFileError for an input that can not be read.
    """
    if not path.is_dir() and not path.is_file():  # a pipe would be waited for without end
        raise FileNotFoundError(f"{path}: no such file or folder")
    with _subject(path, input_path, Clock(time_limit)) as subject:
        return look_over(subject)


def look_over(subject: Subject) -> CheckResult:
    """Run all checks over a subject."""
    findings: list[CheckFinding] = []
    passed, not_done, unfinished = [], [], []
    for one in ALL_CHECKS:
        if not subject.has(one.looks):
            not_done.append(one)
            continue
        before = len(findings)
        try:
            subject.clock.tick()
            for finding in one.find(subject):
                findings.append(finding)
        except OutOfTimeError:
            unfinished.append(one)
        else:
            if len(findings) == before:
                passed.append(one)
    return CheckResult(tuple(findings), tuple(passed), tuple(not_done), tuple(unfinished))


@contextmanager
def _subject(path: Path, input_path: Path | None, clock: Clock) -> Iterator[Subject]:
    if path.is_dir():
        yield Subject(folder=path, clock=clock)
    elif path.suffix == ".json":
        input_json = input_path / INPUT_NAME if input_path is not None and input_path.is_dir() else input_path
        samples = None if input_json is None else read_input(input_json)
        yield Subject(predictions=path, samples=samples, clock=clock)
    else:
        listing = list_archive(path)
        if listing.errors:
            yield Subject(listing=listing, clock=clock)
            return
        with tempfile.TemporaryDirectory(prefix="fbc2-check-") as temporary:
            folder = Path(temporary) / "submission"
            try:
                unpack(path, folder)
            except ContestFileError as errors:
                if any(error.code in (Code.DISK_FULL, Code.WRITE_FAILED) for error in errors.errors):
                    raise  # our disk's fault and not the archive's
                yield Subject(listing=Listing(listing.packed_bytes, listing.entries, errors.errors), clock=clock)
                return
            yield Subject(listing=listing, folder=folder, clock=clock)


def checks_table() -> str:
    """Return the list of checks as a table in Markdown."""
    rows = ["| code | | looks at | what it finds | what to do |", "| --- | --- | --- | --- | --- |"]
    for one in ALL_CHECKS:
        cells = (f"`{one.code}`", one.severity, one.looks, one.meaning, one.remedy)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def print_findings(findings: Sequence[CheckFinding]) -> None:
    """Print findings to standard error, the first of each check."""
    for one in dict.fromkeys(finding.check for finding in findings):
        of_check = [finding for finding in findings if finding.check is one]
        for finding in of_check[:MAX_PRINTED]:
            say(finding)
        more = len(of_check) - MAX_PRINTED
        if more > 0:
            least = "at least " if len(of_check) == MAX_FINDINGS else ""
            say(f"{one.severity} [{one.code}] ... and {least}{more} more")
