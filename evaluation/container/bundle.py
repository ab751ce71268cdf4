"""What a participant gets to see of a run: the verdict, and the log in bounds. Nothing of the organisers' own files.

The log is what the submission itself said, so it can hold what it read, its input; how much of that may leave is
bounded. Control characters become text, for a log is read in a terminal, and names of the organisers' folders go.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contest.console import printable
from contest.writing import write_bytes
from evaluation.container.supervision import BoundedLog
from evaluation.container.verdict import Verdict, write_verdict

BUNDLE_FOLDER, LOG_NAME = "bundle", "log.txt"
MAX_BUNDLE_LOG_BYTES = 64_000


def write_bundle(folder: Path, verdict: Verdict, log: bytes, hidden: Iterable[str]) -> None:
    """Write the bundle into a new folder below `folder`; `hidden` are paths of this host that are taken out of the log.

    Raises ContestError or OSError.
    """
    target = folder / BUNDLE_FOLDER
    target.mkdir()
    write_verdict(target, verdict)
    for name in sorted(hidden, key=len, reverse=True):  # a folder may lie in another one
        log = log.replace(name.encode(errors="surrogateescape"), b"...")
    write_bytes(target / LOG_NAME, plain_log(log, MAX_BUNDLE_LOG_BYTES))


def plain_log(log: bytes, most: int) -> bytes:
    """Return a log as text that a terminal shows and does not obey, its middle left out if it is longer."""
    text = log.decode(errors="replace").replace("\r\n", "\n")
    short = BoundedLog(most)
    short.add(printable(text).encode())
    return short.content.decode(errors="replace").encode()  # a cut may have gone through a letter
