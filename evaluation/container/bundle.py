"""What a participant gets to see of a run: the verdict, and the log in bounds. Nothing of the organisers' own files.

The log is what the submission itself said, so it can hold what it read, its input; how much of that may leave is
bounded. Control characters go, for a log is read in a terminal, and so do the names of the organisers' folders.
"""

from __future__ import annotations

import re
from pathlib import Path

from contest.writing import write_bytes
from evaluation.container.supervision import Log
from evaluation.container.verdict import Verdict, write_verdict

BUNDLE_FOLDER, LOG_NAME = "bundle", "log.txt"
MAX_BUNDLE_LOG_BYTES = 64_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def write_bundle(folder: Path, verdict: Verdict, log: bytes, hidden: Path) -> None:
    """Write the bundle into a new folder below `folder`; `hidden` is the folder whose name is taken out of the log.

    Raises ContestError or OSError.
    """
    target = folder / BUNDLE_FOLDER
    target.mkdir()
    write_verdict(target, verdict)
    short = Log(MAX_BUNDLE_LOG_BYTES)
    short.add(log.replace(str(hidden).encode(), b"..."))
    write_bytes(target / LOG_NAME, _CONTROL.sub("", short.content.decode(errors="replace")).encode())
