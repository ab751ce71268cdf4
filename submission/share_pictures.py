"""Which pictures a share was made from: their bytes, which `input.json` does not tell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contest.console import one_line, say
from contest.errors import ContestError
from contest.items import Sample
from contest.pictures import resolve_picture
from contest.shares import RECORD_NAME, ShareError, ShareRecord
from contest.writing import write_json

PICTURES_NAME = "pictures.json"
UNREADABLE = "unreadable"
MOST_NAMED = 4
THREADS = 8  # that wait for a file server together
DIGEST_BYTES = 8


def begin_with_pictures(record: ShareRecord, samples: Iterable[Sample], root: Path) -> None:
    """Note what pictures of its samples a share is begun with; `root` is the folder that their paths start from.

    All are read, once. A share that was begun and has lost its notes gets no others: they might not be true.
    Raises ShareError if it was begun with others, ContestError where that can not be written.
    """
    before = _noted(record)
    if before is None and (record.folder / RECORD_NAME).exists():
        return
    pictures = _digests(samples, root)
    _require_begun_with(record, before, pictures)
    write_json(record.folder / PICTURES_NAME, pictures)


def go_on_with_pictures(record: ShareRecord, samples: Iterable[Sample], root: Path) -> None:
    """What `begin_with_pictures` is for another process of the share, with its own part of the samples: notes nothing.

    Raises ShareError: else answers to other pictures would be in this process's journal, whatever the first one says.
    """
    noted = _noted(record)
    if noted is not None:
        pictures = _digests(samples, root)
        _require_begun_with(record, {name: noted[name] for name in pictures if name in noted}, pictures)


def _require_begun_with(record: ShareRecord, before: Mapping[str, str] | None, pictures: Mapping[str, str]) -> None:
    if before is not None:
        remedy = f"go on with those it was begun with, or remove {record.folder}"
        _require_same(before, pictures, f"{record.share} was begun with other bytes of", remedy)


def require_same_pictures(record: ShareRecord, samples: Iterable[Sample], root: Path) -> None:
    """Raise ShareError, which names them, if a share was made from other pictures than lie below `root`.

    A share that has lost its notes is let pass, with a word.
    """
    before = _noted(record)
    if before is None:
        say(f"{record.share} has no {PICTURES_NAME}: whether it was made from these pictures can not be told")
        return
    remedy = f"merge with the pictures that it had, or remove {record.folder} and do it again"
    _require_same(before, _digests(samples, root), f"{record.share} was made from other bytes of", remedy)


def _noted(record: ShareRecord) -> Mapping[str, str] | None:
    path = record.folder / PICTURES_NAME
    try:
        value = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is no object")
        return value
    except FileNotFoundError:
        return None
    except ValueError as error:
        remedy = f"remove {record.folder}, and do the share again"
        raise ShareError(f"{PICTURES_NAME} is damaged ({error})", remedy, where=record.folder.name) from error


def _require_same(before: Mapping[str, str], now: Mapping[str, str], what: str, remedy: str) -> None:
    other = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if other:
        more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        raise ShareError(f"{what} {', '.join(map(one_line, other[:MOST_NAMED]))}{more}", remedy)


def _digests(samples: Iterable[Sample], root: Path) -> dict[str, str]:
    """By each picture's path in the input its size in bytes and the digest of its bytes."""
    names = dict.fromkeys(name for sample in samples for name in sample.images)
    with ThreadPoolExecutor(THREADS, "digests") as pool:
        digests = pool.map(lambda name: _digest(root, name), names)
        printable = (name.encode("utf-8", "backslashreplace").decode() for name in names)
        return dict(zip(printable, digests, strict=True))


def _digest(root: Path, name: str) -> str:
    try:
        path = resolve_picture(root, name, follow_links=True)
        if not path.is_file():  # opening a pipe would wait for ever
            return UNREADABLE
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
            return f"{stream.tell()}-{digest}"
    except (ContestError, OSError):  # what is wrong with it, its answer says
        return UNREADABLE
