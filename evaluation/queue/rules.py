"""What all verdicts of a queue depend on: the first worker writes it down, and others must agree."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from contest.shares import code_version
from contest.writing import write_json, writing
from evaluation.queue.errors import QueueError
from evaluation.queue.spool import RULES_NAME, Spool
from evaluation.settings import FidFeatures

CODE_ROOM = "evaluation"


def file_hash(path: Path | None) -> str | None:
    """SHA-256 of a file; None for none. Raises OSError."""
    if path is None:
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def asset_hashes(folder: Path | None, features: FidFeatures) -> dict[str, str | None]:
    """SHA-256 of each file of the networks that scores are taken with, by its path in the folder. Raises OSError."""
    if folder is None:
        return {}
    parts = ("ruclip",) if features == "ruclip" else ("inception", "ruclip")
    files = sorted(path for part in parts for path in (folder / part).glob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def require_same_rules(spool: Spool, rules: Mapping[str, Any]) -> None:
    """Write the rules of a queue if nobody has; else raise QueueError for what differs here. Raises ContestError."""
    path = spool.folder / RULES_NAME
    mine: dict[str, Any] = json.loads(json.dumps({"code": code_version(CODE_ROOM), **rules}))
    if not path.exists():
        draft = path.with_name(f".{uuid4().hex}.tmp")
        try:
            write_json(draft, mine, indent=1)
            with writing(path), suppress(FileExistsError):
                os.link(draft, path)  # unlike a rename, it leaves alone what another worker has just written
        finally:
            draft.unlink(missing_ok=True)
    try:
        agreed: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise QueueError(f"{path} can not be read: {error}", "remove it, and start the workers again") from error
    names = sorted(name for name in {*agreed, *mine} if agreed.get(name) != mine.get(name))
    if names:
        problem = f"this worker differs from the queue's first in {', '.join(names)}"
        remedy = f"start it with the same code, files and options; {path} tells them"
        raise QueueError(problem, remedy)


def agreed_lease(spool: Spool, before: float) -> float:
    """Seconds of the lease that the first worker was given; `before` there was one: that. Raises QueueError."""
    path = spool.folder / RULES_NAME
    try:
        return float(json.loads(path.read_text("utf-8"))["lease"])
    except FileNotFoundError:
        return before
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QueueError(f"{path} can not be read: {error}", "remove it, and start the workers again") from error
