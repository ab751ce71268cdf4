"""A look at a published file before it is read: whether it is there at all. Knows no format."""

from __future__ import annotations

from pathlib import Path

from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from data_prep.records import SourceError


def demand_data(path: Path) -> None:
    """Raise SourceError if something else lies in a file's place: a Git LFS pointer, a page of the web, nothing at all.

    What is no plain file, or can not be read, is left to whoever reads it.
    """
    if not path.is_file():  # a pipe's beginning can be read once
        return
    try:
        with open(path, "rb") as stream:
            found = stand_in_of_data(stream.read(HEAD_BYTES))
    except OSError:
        return
    if found is not None:
        raise SourceError(path, "", str(found))
