"""Reads `metadata.json`: the image that a submission runs in, and its command."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from contest.checking import is_unicode
from contest.errors import BYTE_ORDER_MARK, Code, ContestError, ContestFileError, quote
from contest.stand_ins import HEAD_BYTES, stand_in
from errors import bare_reason

MAX_METADATA_BYTES = 100_000
MAX_IMAGE_CHARACTERS = 512

# The grammar of the registries: [host[:port]/]path[:tag][@digest], the path in lower case.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# What only a shell understands; nothing says that the organisers start the command in one.
_SHELL_SIGNS = re.compile(r"[|&;<>`$()\n]")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What to run and where. Raises ContestError (METADATA_INVALID) for a name or a command that can not be used."""

    image: str
    entrypoint: str

    def __post_init__(self) -> None:
        # An image that begins with '-' would be read as an option by the engine: the grammar has none such.
        if len(self.image) > MAX_IMAGE_CHARACTERS or not _IMAGE.fullmatch(self.image):
            raise ContestError(Code.METADATA_INVALID, f"{quote(self.image)} is no name of an image")
        try:
            command = shlex.split(self.entrypoint)
        except ValueError as error:
            raise ContestError(Code.METADATA_INVALID, f"the entrypoint is no command: {error}") from error
        if not command or "\0" in self.entrypoint or not is_unicode(self.entrypoint):
            raise ContestError(Code.METADATA_INVALID, "the entrypoint names no command")

    @property
    def command(self) -> tuple[str, ...]:
        """The entrypoint as a program and its arguments."""
        return tuple(shlex.split(self.entrypoint))

    @property
    def needs_shell(self) -> bool:
        """Whether the entrypoint has signs that only a shell understands."""
        return bool(_SHELL_SIGNS.search(self.entrypoint))

    @property
    def is_floating(self) -> bool:
        """Whether the image's name may mean another image tomorrow: no tag, or `latest`, and no digest."""
        reference = _IMAGE.fullmatch(self.image)
        return reference is not None and reference["digest"] is None and reference["tag"] in (None, "latest")


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Read `metadata.json`; keys beyond `image` and `entrypoint` are ignored.

    Raises ContestFileError: FILE_MISSING, FILE_UNREADABLE, NOT_UTF8, NOT_JSON, METADATA_INVALID.
    """
    file = Path(path)
    try:
        return _parse(_text(file))
    except ContestError as error:
        raise ContestFileError([ContestError(error.code, error.message, file=file, remedy=error.remedy)]) from error


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            raise ContestError(Code.FILE_MISSING)
        with file.open("rb") as stream:
            data = stream.read(MAX_METADATA_BYTES + 1)
    except OSError as error:
        raise ContestError(Code.FILE_UNREADABLE, bare_reason(error)) from error
    if len(data) > MAX_METADATA_BYTES:
        raise ContestError(Code.METADATA_INVALID, f"it has more than {MAX_METADATA_BYTES} bytes")
    if (found := stand_in(data[:HEAD_BYTES])) is not None:
        raise ContestError(Code.NOT_JSON, found.what, remedy=found.remedy)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContestError(Code.NOT_UTF8, str(error)) from error
    if text.startswith("\ufeff"):
        raise ContestError(Code.NOT_JSON, BYTE_ORDER_MARK, remedy="save it as UTF-8 without a byte order mark")
    return text


def _parse(text: str) -> Metadata:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContestError(Code.NOT_JSON, str(error)) from error
    if not isinstance(value, dict):
        raise ContestError(Code.METADATA_INVALID, "the top level is no object")
    for key in ("image", "entrypoint"):
        if not isinstance(value.get(key), str):
            raise ContestError(Code.METADATA_INVALID, f'it has no "{key}" that is a string')
    return Metadata(value["image"], value["entrypoint"])
