"""`submission check`: all checks over an archive, a folder or a predictions file, and what they found.

Exit status 0: nothing wrong, or only warnings. 1: errors. 2: there is nothing to check.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contest.archives import list_archive, unpack
from contest.errors import Code, ContestErrors
from contest.limits import INPUT_NAME
from contest.reading import read_input
from submission.checks import ALL_CHECKS, Check, Finding, Subject

SOUND, FAULTY, NOT_CHECKED = 0, 1, 2
MAX_PRINTED_FINDINGS = 20  # of one check


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks said: findings in the order of the checks, those that passed, those that could not look."""

    findings: tuple[Finding, ...]
    passed: tuple[Check, ...]
    not_done: tuple[Check, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are no mere warnings."""
        return tuple(finding for finding in self.findings if finding.check.severity == "error")


def check(path: Path, input_path: Path | None = None, checks: Sequence[Check] = ALL_CHECKS) -> Checked:
    """Check a ZIP archive, a submission's folder, or a predictions file (`.json`), against its input if one is given.

    An archive is unpacked into a temporary folder ($TMPDIR), which takes as much of the disk as its files.
    Raises FileNotFoundError, or ContestErrors for an input that can not be read.
    """
    if not path.is_dir() and not path.is_file():  # a pipe would be waited for without end
        raise FileNotFoundError(f"{path}: no such file or folder")
    with _subject(path, input_path) as subject:
        findings: list[Finding] = []
        passed, not_done = [], []
        for one in checks:
            if not subject.has(one.looks):
                not_done.append(one)
                continue
            found = one.find(subject)
            findings += found
            if not found:
                passed.append(one)
    return Checked(tuple(findings), tuple(passed), tuple(not_done))


@contextmanager
def _subject(path: Path, input_path: Path | None) -> Iterator[Subject]:
    if path.is_dir():
        yield Subject(folder=path)
    elif path.suffix == ".json":
        input_json = input_path / INPUT_NAME if input_path is not None and input_path.is_dir() else input_path
        yield Subject(predictions=path, samples=None if input_json is None else read_input(input_json))
    else:
        listing = list_archive(path)
        if listing.errors:
            yield Subject(listing=listing)
            return
        with tempfile.TemporaryDirectory(prefix="fbc2-check-") as temporary:
            folder = Path(temporary) / "submission"
            try:
                unpack(path, folder)
            except ContestErrors as errors:
                if any(error.code in (Code.DISK_FULL, Code.WRITE_FAILED) for error in errors.errors):
                    raise  # our disk's fault and not the archive's
                yield Subject(listing=type(listing)(listing.packed_bytes, listing.entries, errors.errors))
                return
            yield Subject(listing=listing, folder=folder)


def checks_table(checks: Sequence[Check] = ALL_CHECKS) -> str:
    """Return the list of checks as a table in Markdown."""
    rows = ["| code | | looks at | what it finds | what to do |", "| --- | --- | --- | --- | --- |"]
    for one in checks:
        cells = (f"`{one.code}`", one.severity, one.looks, one.meaning, one.remedy)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def show(options: argparse.Namespace) -> int:
    """`check`: print the findings to standard error, what was done to standard output; return the exit status."""
    if options.list:
        print(checks_table(), end="")
        return SOUND
    if options.path is None:
        print("submission: error: name what to check: a ZIP archive, a folder or a predictions file", file=sys.stderr)
        return NOT_CHECKED
    try:
        checked = check(options.path, options.input)
    except (ContestErrors, OSError) as error:
        print(f"submission: error: {error}", file=sys.stderr)
        return NOT_CHECKED
    for one in ALL_CHECKS:
        findings = [finding for finding in checked.findings if finding.check is one]
        for finding in findings[:MAX_PRINTED_FINDINGS]:
            print(finding, file=sys.stderr)
        if len(findings) > MAX_PRINTED_FINDINGS:
            print(f"{one.severity} [{one.code}] ... and {len(findings) - MAX_PRINTED_FINDINGS} more", file=sys.stderr)
    warnings = len(checked.findings) - len(checked.errors)
    print(
        f"{options.path}: {len(checked.errors)} errors, {warnings} warnings; {len(checked.passed)} checks passed, "
        f"{len(checked.not_done)} had nothing to look at"
    )
    if checked.not_done and checked.errors:
        print(f"not looked at: {', '.join(one.code for one in checked.not_done)}")
    return FAULTY if checked.errors else SOUND


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `check`."""
    add = parser.add_argument
    add("path", type=Path, nargs="?", help="a ZIP archive, a submission's folder, or predictions.json")
    add("--input", type=Path, metavar="DIR", help="the input that the predictions answer")
    add("--list", action="store_true", help="print all checks as a table in Markdown")
