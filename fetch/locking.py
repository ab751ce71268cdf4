"""The lock file beside fetched files: which bytes they were, so that others in their place are refused."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contest.atomic import locked
from contest.writing import write_json
from fetch.download import say_waiting
from fetch.errors import LockedError

LOCK_FILE = "fetch.lock.json"
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LockedFile:
    """Where a file came from, and its bytes: `revision` is the commit on the hub, empty elsewhere."""

    source: str
    revision: str
    sha256: str
    size: int


def read_lock(folder: Path) -> dict[str, LockedFile]:
    """Return the locked files by their path in the folder; none where there is no lock file. Raises LockedError."""
    path = folder / LOCK_FILE
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text("utf-8"))
        return {name: _locked_file(row) for name, row in rows["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LockedError("no lock file", "delete it: everything is then checked anew", where=str(path)) from error


def _locked_file(row: Any) -> LockedFile:
    """Return an entry of a lock file. Raises TypeError or ValueError for what is none."""
    file = LockedFile(**row)
    texts = isinstance(file.source, str) and isinstance(file.revision, str) and isinstance(file.sha256, str)
    if not texts or type(file.size) is not int or not _SHA256.fullmatch(file.sha256):
        raise ValueError("not what a lock file says of a file")
    return file


def add_to_lock(folder: Path, name: str, file: LockedFile) -> None:
    """Enter a file into the lock file; several programs may do so at once. Raises LockedError, OSError."""
    with locked(folder, on_wait=partial(say_waiting, folder)):
        files = {**read_lock(folder), name: file}
        write_json(folder / LOCK_FILE, {"files": {each: asdict(files[each]) for each in sorted(files)}}, indent=2)


def require_unchanged(name: str, before: LockedFile, sha256: str, folder: Path) -> None:
    """Raise LockedError if the bytes are others than those that were locked.

    Those of a server that keeps no revisions may also have changed here.
    """
    if before.sha256 == sha256:
        return
    hashes = f"(SHA-256 {sha256[:12]}, locked {before.sha256[:12]})"
    if before.revision:
        problem = f"the server has other bytes than were fetched before {hashes}"
        remedy = f"take the locked ones with --revision {before.revision}; if you trust the change, fetch it"
    else:
        problem = f"other bytes than were fetched before {hashes}"
        remedy = (
            "if the file was changed here, delete it and run the same command again; if you trust what the server has "
            "now, fetch it"
        )
    raise LockedError(problem, f"{remedy} into another folder with --to", where=str(folder / name))
