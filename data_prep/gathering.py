"""Gathers what a file scatters: entries by picture, on disk, so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.database import Database


class Gathered(NamedTuple):
    """A picture with its entries in the order in which they came."""

    picture_id: str
    about: Any
    entries: list[tuple[str, Any]]


class Gathering(AbstractContextManager["Gathering"]):
    """Pictures and entries of them, in any order of arrival; a context manager around one scratch file.

    An entry is a JSON value with a place that errors name it by. Raises SourceError if the disk is full.
    """

    def __init__(self, file: Path) -> None:
        self._base = Database(
            file,
            "CREATE TABLE pictures (number INTEGER PRIMARY KEY, id TEXT UNIQUE, about TEXT);"
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, picture TEXT, place TEXT, value TEXT);",
            "what is gathered",
        )

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def put(self, picture_id: str, about: Any) -> bool:
        """Take a picture in; False, and nothing changed, if its id is there already."""
        values = picture_id, json.dumps(about)  # in ASCII: half a surrogate pair has no place in SQLite's UTF-8
        return self._base.change("INSERT OR IGNORE INTO pictures (id, about) VALUES (?, ?)", values) == 1

    def get(self, picture_id: str) -> Any:
        """What was said about a picture; None if it is not there."""
        return json.loads(self._base.value("SELECT about FROM pictures WHERE id = ?", picture_id) or "null")

    def add(self, picture_id: str, place: str, value: Any) -> None:
        """Take an entry of a picture in, whether the picture is there yet or not."""
        values = picture_id, place, json.dumps(value)
        self._base.change("INSERT INTO entries (picture, place, value) VALUES (?, ?, ?)", values)

    def pictures(self) -> Iterator[Gathered]:
        """Yield the pictures in the order of their arrival, with their entries."""
        self._base.change("CREATE INDEX IF NOT EXISTS by_picture ON entries (picture, number)")
        query = "SELECT place, value FROM entries WHERE picture = ? ORDER BY number"
        for picture_id, about in self._base.rows("SELECT id, about FROM pictures ORDER BY number"):
            entries = [(place, json.loads(value)) for place, value in self._base.rows(query, (picture_id,))]
            yield Gathered(picture_id, json.loads(about), entries)

    def orphans(self) -> Iterator[tuple[str, ...]]:
        """Yield (place, picture id) of the entries whose picture is not there."""
        yield from self._base.rows(
            "SELECT place, picture FROM entries WHERE picture NOT IN (SELECT id FROM pictures) ORDER BY number"
        )
