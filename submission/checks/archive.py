"""Checks of a ZIP archive's list of entries: what the organisers' unpacking would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from contest.errors import Code
from submission.checks.base import Check, Subject, place


def _listed(kind: Code) -> Check:
    """Return the check that reports the errors of one kind that listing an archive finds."""

    def search(subject: Subject) -> Iterator[str]:
        assert subject.listing is not None
        yield from (place(error) for error in subject.listing.errors if error.code is kind)

    return Check(kind.name, kind.meaning, kind.remedy, search, looks="archive")


ARCHIVE_CHECKS = tuple(
    _listed(kind)
    for kind in (
        Code.ARCHIVE_UNREADABLE,
        Code.ARCHIVE_TOO_LARGE,
        Code.ARCHIVE_BOMB,
        Code.ARCHIVE_NAME_REFUSED,
        Code.ARCHIVE_NAME_TWICE,
        Code.ARCHIVE_NOT_A_FILE,
        Code.ARCHIVE_FORM,
    )
)
