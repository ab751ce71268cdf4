"""What lies in the place of a file that was never fetched: a pointer, a page of the web, nothing.

Every reader of files that people download asks here before it speaks of its own format: "not JSON" of a Git LFS pointer
sends people to look for a fault that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

HEAD_BYTES = 512
_POINTERS = (b"version https://git-lfs", b"version https://hawser.github.com", b"version http://git-media.io")
_ANNEX = b"/annex/objects/"
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
_PACKED = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "packed with gzip",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ\x00": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}


@dataclass(frozen=True, slots=True)
class StandIn:
    """What stands in for a file, in words, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


LFS_POINTER = StandIn("a Git LFS pointer stands in for the file", "fetch it with `git lfs pull`")
ANNEX_POINTER = StandIn("a git-annex pointer stands in for the file", "fetch it with `git annex get`")
WEB_PAGE = StandIn("an HTML page stands in for the file", "download it again, signed in where that is asked")
EMPTY = StandIn("the file is empty", "fetch it again")


def stand_in(head: bytes) -> StandIn | None:
    """What a file holds instead of its content, told by its first HEAD_BYTES bytes; None if nothing speaks for it."""
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(_POINTERS):
        return LFS_POINTER
    if text.startswith(_ANNEX):
        return ANNEX_POINTER
    if text[:16].lower().startswith(_PAGES):
        return WEB_PAGE
    return None


def stand_in_of_data(head: bytes) -> StandIn | None:
    """As `stand_in`, for tables and documents that people download: an archive and an empty file count too."""
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            return StandIn(f"the file is {name}", "unpack it first")
    if len(head) < HEAD_BYTES and not head.removeprefix(b"\xef\xbb\xbf").strip():
        return EMPTY
    return stand_in(head)


def stand_in_at(path: str | os.PathLike[str], told: Callable[[bytes], StandIn | None] = stand_in) -> StandIn | None:
    """What lies at a path instead of a file's content, by one of the functions above.

    None also where the file can not be read, which others tell.
    """
    try:
        with open(path, "rb") as stream:
            return told(stream.read(HEAD_BYTES))
    except (OSError, ValueError):  # ValueError: a path with NUL in it
        return None
