"""Files that hold parts of a model: what was put in their place, and configurations in JSON. Knows no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from errors import UserError

MAX_JSON_BYTES = 64 * 1024**2
"""Of a configuration or an index of shards: a hundred thousand tensors are named in a few megabytes."""
MAX_SHOWN_CHARACTERS = 60
_HEAD_BYTES = 512
_POINTERS = (b"version https://git-lfs", b"version https://hawser.github.com", b"version http://git-media.io")


class ModelFileError(UserError, ValueError):
    """A file of a model can not be used.

    Args:
        reason: which file, and what is wrong with it.
        remedy: what to do; empty where the reason says all.

    """

    @property
    def brief(self) -> str:
        """The reason in one line."""
        return " ".join(self.reason.split())


def placeholder(head: bytes) -> tuple[str, str] | None:
    """Return what stands in the place of a file whose first bytes these are, and what to do; None for the file itself.

    What downloads leave behind: nothing, a pointer of Git LFS or git-annex, a page of HTML.
    """
    if not head:
        return "the file is empty", "get it again"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(_POINTERS):
        return "a Git LFS pointer stands in for the file", "fetch it with `git lfs pull`"
    if text.startswith(b"/annex/objects/"):
        return "a git-annex pointer stands in for the file", "fetch it with `git annex get`"
    if text[:16].lower().startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")):
        return "a page of HTML stands in for the file", "get it again, from the address of the file itself"
    return None


def placeholder_at(path: Path) -> tuple[str, str] | None:
    """Return what stands in the place of a file, as `placeholder` does. Raises OSError."""
    with path.open("rb") as file:
        return placeholder(file.read(_HEAD_BYTES))


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises `ModelFileError` for a file that is missing, can not be read, or holds anything else.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelFileError(f"{path}: more than {MAX_JSON_BYTES} bytes, so no configuration", "get it again")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file", "copy it along with the weights") from error
    except OSError as error:
        raise ModelFileError(f"{path}: can not be read: {error.strerror}") from error
    found = placeholder(data[:_HEAD_BYTES])
    if found is not None:
        raise ModelFileError(f"{path}: {found[0]}", found[1])
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path}: not UTF-8 at byte {error.start}", "save it as UTF-8") from error
    except RecursionError as error:
        raise ModelFileError(f"{path}: not JSON that can be read: it is nested too deeply", "write it anew") from error
    except json.JSONDecodeError as error:
        bom = data.startswith(b"\xef\xbb\xbf")
        problem = "it begins with a byte order mark" if bom else f"{error.msg}, line {error.lineno}"
        raise ModelFileError(f"{path}: not JSON: {problem}", "correct it there") from error
    except ValueError as error:  # a number of more digits than Python converts
        raise ModelFileError(f"{path}: not JSON that can be read: a number is too long", "correct it") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path}: not a JSON object", 'write {"<name>": <value>, ...}')
    return value


def shown(value: object) -> str:
    """Return a JSON value for a message, in JSON's words, cut to a length that a line bears."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= 10**20:
            return "a number of more than twenty digits"
        case str():
            return repr(value if len(value) <= MAX_SHOWN_CHARACTERS else f"{value[: MAX_SHOWN_CHARACTERS - 3]}...")
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
    return str(value)


def names_problem(given: Mapping[str, Any], required: Iterable[str], known: Iterable[str]) -> str | None:
    """Return which keywords a configuration lacks or should not have; None if there are none such."""
    missing = [name for name in required if name not in given]
    known = set(known)
    unknown = [shown(name) for name in given if name not in known]
    parts = []
    for what, names in (("missing keywords", missing), ("unknown keywords", unknown)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            parts.append(f"{what} {', '.join(names[:10])}{more}")
    return "; ".join(parts) or None


def bounded_int(name: str, value: object, least: int, most: int) -> str | None:
    """Return what is wrong with a whole number of a configuration that must lie within bounds, or None."""
    if not isinstance(value, int) or isinstance(value, bool):
        return f"{name} must be a whole number, not {shown(value)}"
    if not least <= value <= most:
        return f"{name} must be {least} to {most}, not {shown(value)}"
    return None
