"""Writes contest files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from contest.atomic import replacing, replacing_name
from contest.errors import Code, ContestError
from contest.ground_truth import GroundTruth, References
from contest.items import Item, Sample
from contest.tasks import task_by_id
from errors import bare_reason

_BUFFER = 1 << 16
_DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def write_json(path: str | os.PathLike[str], value: object, indent: int | None = None) -> None:
    """Write a value as UTF-8 JSON, whole or not at all (see `write_bytes`): on one line, or indented for people.

    Raises ContestError: NOT_FINITE for NaN and Infinity, CONTENT_NOT_UNICODE for half a surrogate pair, and those of
    `write_bytes`; TypeError for a value that JSON has no form for.
    """
    file = os.fspath(path)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as error:
        raise ContestError(Code.NOT_FINITE, f"not written: {error}", file=file) from error
    try:
        data = (text + "\n").encode()
    except UnicodeEncodeError as error:
        raise ContestError(Code.CONTENT_NOT_UNICODE, f"not written: {error}", file=file) from error
    write_bytes(file, data)


def write_json_object(path: str | os.PathLike[str], members: Iterable[tuple[str, object]]) -> None:
    """Write an object of these members as `write_json` does, byte for byte, but one member after the other: what they
    are need not be in memory together. No key may stand twice.

    Raises ContestError as `write_json`, and whatever `members` raises; a file that stood there then stays as it was.
    """
    with writing(path), replacing(path, sync=True) as temporary, temporary.open("wb", buffering=_BUFFER) as stream:
        stream.writelines(json_object_parts(path, members))


def json_object_parts(path: str | os.PathLike[str], members: Iterable[tuple[str, object]]) -> Iterator[bytes]:
    """Yield what `write_json_object` writes, piece by piece. Raises ContestError as it does."""
    file, encode = os.fspath(path), json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    before = "{"
    for key, value in members:
        try:
            yield f"{before}{encode(key)}: {encode(value)}".encode()
        except UnicodeEncodeError as error:
            raise ContestError(Code.CONTENT_NOT_UNICODE, f"not written: {error}", file=file) from error
        except ValueError as error:
            raise ContestError(Code.NOT_FINITE, f"not written: {error}", file=file) from error
        before = ", "
    yield b"{}\n" if before == "{" else b"}\n"


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all, synced; a file that stood there stays as it was if anything fails.

    Raises ContestError: DISK_FULL, or WRITE_FAILED for a missing folder, a lack of permission and the like.
    """
    with writing(path), replacing_name(path, sync=True) as temporary, open(temporary, "wb") as stream:
        stream.write(data)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise ContestError, as `write_bytes` would, where a file could not be written: before the work that it is for."""
    with writing(path):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _try_in(Path(path).parent)


def require_writable_folder(path: str | os.PathLike[str]) -> None:
    """Raise ContestError where a folder could not be made or nothing could be written into it; makes nothing."""
    with writing(path):
        _try_in(next(folder for folder in (Path(path), *Path(path).parents) if folder.exists()))


def _try_in(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's errors in the enclosed work into ContestError: DISK_FULL, WRITE_FAILED."""
    try:
        yield
    except OSError as error:
        code = Code.DISK_FULL if is_disk_full(error) else Code.WRITE_FAILED
        raise ContestError(code, f"not written: {bare_reason(error)}", file=path) from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL_ERRNOS


def samples_to_json(samples: Iterable[Sample]) -> dict[str, list[dict[str, str]]]:
    """Return samples in the form of `input.json`, or answers in that of `predictions.json` (they share it).

    Raises ContestError (DUPLICATE_ID) if two samples have one id.
    """
    value: dict[str, list[dict[str, str]]] = {}
    for sample in samples:
        _require_new(sample.id, value)
        value[sample.id] = items_to_json(sample.items)
    return value


def items_to_json(items: Iterable[Item]) -> list[dict[str, str]]:
    """Return the items of a sample or of an answer in the form that they have in files."""
    return [{"type": item.type, "content": item.content} for item in items]


def ground_truth_to_json(truths: Iterable[GroundTruth]) -> dict[str, object]:
    """Return ground truths in the form of `ground_truth.json`; bare items and bare strings stay bare.

    Raises ContestError (DUPLICATE_ID) if two ground truths have one id.
    """
    value: dict[str, object] = {}
    for truth in truths:
        _require_new(truth.id, value)
        items = [_references_to_json(item) for item in truth.items]
        value[truth.id] = items[0] if truth.is_bare_item else items
    return value


def ids_to_json(task_ids: Mapping[str, int]) -> dict[str, int]:
    """Return task ids by sample id in the form of `ids.json`. Raises ContestError (TASK_UNKNOWN)."""
    return {sample_id: task_by_id(task_id).id for sample_id, task_id in task_ids.items()}


def _references_to_json(references: References) -> dict[str, object]:
    content = references.contents[0] if references.is_bare_string else list(references.contents)
    return {"type": references.type, "content": content}


def _require_new(sample_id: str, value: Mapping[str, object]) -> None:
    if sample_id in value:
        raise ContestError(Code.DUPLICATE_ID, "not written: two samples have this id", sample_id=sample_id)
