"""`submission check`: all checks over an archive, a folder or a predictions file, and what they found.

Exit status 0: nothing wrong, or only warnings. 1: errors, or not all was looked at in time. 2: there is nothing to
check.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contest.archives import Listing, list_archive, unpack
from contest.console import one_line, say
from contest.console import show as print_result
from contest.errors import Code, ContestFileError
from contest.limits import INPUT_NAME
from contest.reading import read_input
from errors import reason_of
from submission.checks import ALL_CHECKS, Check, Finding, Subject
from submission.checks.base import MAX_FINDINGS, Clock, OutOfTimeError

SOUND, FAULTY, NOT_CHECKED = 0, 1, 2
MAX_PRINTED_FINDINGS = 20  # of one check
TIME_LIMIT = 1200.0
"""Seconds: several times what the weights of 15 GB need, and an end to what a hostile archive asks for."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks said: findings in the order of the checks, those that passed, those that had nothing to look at,
    those for which there was no time.
    """

    findings: tuple[Finding, ...]
    passed: tuple[Check, ...]
    not_done: tuple[Check, ...]
    unfinished: tuple[Check, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are no mere warnings."""
        return tuple(finding for finding in self.findings if finding.check.severity == "error")


def check(
    path: Path, input_path: Path | None = None, checks: Sequence[Check] = ALL_CHECKS, time_limit: float = TIME_LIMIT
) -> Checked:
    """Check a ZIP archive, a submission's folder, or a predictions file (`.json`), against its input if one is given.

    An archive is unpacked into a temporary folder ($TMPDIR), which takes as much of the disk as its files.
    `time_limit` is in seconds; a check that it breaks off keeps what it found.
    Raises FileNotFoundError, or ContestFileError for an input that can not be read.
    """
    if not path.is_dir() and not path.is_file():  # a pipe would be waited for without end
        raise FileNotFoundError(f"{path}: no such file or folder")
    with _subject(path, input_path, Clock(time_limit)) as subject:
        return look_over(subject, checks)


def look_over(subject: Subject, checks: Sequence[Check] = ALL_CHECKS) -> Checked:
    """Run checks over a subject."""
    findings: list[Finding] = []
    passed, not_done, unfinished = [], [], []
    for one in checks:
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
    return Checked(tuple(findings), tuple(passed), tuple(not_done), tuple(unfinished))


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


def checks_table(checks: Sequence[Check] = ALL_CHECKS) -> str:
    """Return the list of checks as a table in Markdown."""
    rows = ["| code | | looks at | what it finds | what to do |", "| --- | --- | --- | --- | --- |"]
    for one in checks:
        cells = (f"`{one.code}`", one.severity, one.looks, one.meaning, one.remedy)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def counted(number: int, thing: str) -> str:
    """Return a number with its noun: `1 error`, `2 errors`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def show(options: argparse.Namespace) -> int:
    """`check`: print the findings to standard error, what was done to standard output; return the exit status."""
    if options.list:
        print_result(checks_table().rstrip())
        return SOUND
    if options.path is None:
        say("submission: error: nothing is named to check; name a ZIP archive, a folder or a predictions file")
        return NOT_CHECKED
    if options.input is not None and options.path.suffix != ".json":
        say("submission: error: --input belongs to a predictions file; name one, or leave it out")
        return NOT_CHECKED
    try:
        checked = check(options.path, options.input, time_limit=options.time_limit)
    except (ContestFileError, OSError) as error:
        say(f"submission: error: {reason_of(error)}")
        return NOT_CHECKED
    tell_findings(checked.findings)
    warnings = len(checked.findings) - len(checked.errors)
    print_result(
        f"{one_line(str(options.path))}: {counted(len(checked.errors), 'error')}, {counted(warnings, 'warning')}; "
        f"{counted(len(checked.passed), 'check')} passed, {len(checked.not_done)} had nothing to look at"
    )
    if any(finding.check.looks == "archive" for finding in checked.errors):  # it could not be unpacked
        print_result(f"not looked at: {', '.join(one.code for one in checked.not_done if one.looks == 'files')}")
    if checked.unfinished:
        codes = ", ".join(one.code for one in checked.unfinished)
        print_result(f"no time was left after {options.time_limit:g} s for {codes}; give more by --time-limit")
    return FAULTY if checked.errors or checked.unfinished else SOUND


def tell_findings(findings: Sequence[Finding]) -> None:
    """Print findings to standard error, the first of each check."""
    for one in dict.fromkeys(finding.check for finding in findings):
        of_check = [finding for finding in findings if finding.check is one]
        for finding in of_check[:MAX_PRINTED_FINDINGS]:
            say(finding)
        more = len(of_check) - MAX_PRINTED_FINDINGS
        if more > 0:
            least = "at least " if len(of_check) == MAX_FINDINGS else ""
            say(f"{one.severity} [{one.code}] ... and {least}{more} more")


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `check`."""
    add = parser.add_argument
    add("path", type=Path, nargs="?", help="a ZIP archive, a submission's folder, or predictions.json")
    add("--input", type=Path, metavar="DIR", help="the input that the predictions answer")
    add("--list", action="store_true", help="print all checks as a table in Markdown")
    add(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        default=TIME_LIMIT,
        help="what is not looked at by then is told",
    )
