"""Checks of a ZIP archive's list of entries: what the organisers' unpacking would refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from contest.errors import Code
from submission.checks.base import Check, Subject, place


class _Listed(Check):
    """Reports the errors of one kind that listing an archive finds."""

    looks = "archive"
    kind: ClassVar[Code]

    def __init_subclass__(cls) -> None:
        cls.code, cls.meaning, cls.remedy = cls.kind.name, cls.kind.meaning, cls.kind.remedy

    def _find(self, subject: Subject) -> Iterator[str]:
        assert subject.listing is not None
        yield from (place(error) for error in subject.listing.errors if error.code is self.kind)


class ArchiveUnreadable(_Listed):
    """The file is no ZIP archive, was cut off, or holds damaged files."""

    kind = Code.ARCHIVE_UNREADABLE


class ArchiveTooLarge(_Listed):
    """It has more than 15 GB, packed or unpacked."""

    kind = Code.ARCHIVE_TOO_LARGE


class ArchiveBomb(_Listed):
    """It unpacks to far more than it holds."""

    kind = Code.ARCHIVE_BOMB


class ArchiveNameRefused(_Listed):
    """A name leads out of the folder, or is none that every system can have."""

    kind = Code.ARCHIVE_NAME_REFUSED


class ArchiveNameTwice(_Listed):
    """Two entries take the same place."""

    kind = Code.ARCHIVE_NAME_TWICE


class ArchiveNotAFile(_Listed):
    """An entry is a link or a device."""

    kind = Code.ARCHIVE_NOT_A_FILE


class ArchiveForm(_Listed):
    """An entry is encrypted, or packed by a method that not every program knows."""

    kind = Code.ARCHIVE_FORM


ARCHIVE_CHECKS: tuple[Check, ...] = (
    ArchiveUnreadable(),
    ArchiveTooLarge(),
    ArchiveBomb(),
    ArchiveNameRefused(),
    ArchiveNameTwice(),
    ArchiveNotAFile(),
    ArchiveForm(),
)
