"""Gathers what a file scatters: entries by picture, on disk, so that memory stays flat. Knows no source."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

_ROWS = 1000


class Gathered(NamedTuple):
    """A picture with its entries in the order in which they came."""

    picture_id: str
    about: Any
    entries: list[tuple[str, Any]]


class Gathering:
    """Pictures and entries of them, in any order of arrival; a context manager around one scratch file.

    An entry is a JSON value with a place that errors name it by. Raises sqlite3.Error if the disk is full.
    """

    def __init__(self, file: Path) -> None:
        self._base = sqlite3.connect(file)
        # A scratch file that a crash may spoil: the next run makes it anew.
        self._base.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE pictures (number INTEGER PRIMARY KEY, id TEXT UNIQUE, about TEXT);"
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, picture TEXT, place TEXT, value TEXT);"
        )

    def __enter__(self) -> Gathering:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def put(self, picture_id: str, about: Any) -> bool:
        """Take a picture in; False, and nothing changed, if its id is there already."""
        taken = self._base.execute(
            "INSERT OR IGNORE INTO pictures (id, about) VALUES (?, ?)", (picture_id, _wire(about))
        )
        return taken.rowcount == 1

    def get(self, picture_id: str) -> Any:
        """What was said about a picture; None if it is not there."""
        row = self._base.execute("SELECT about FROM pictures WHERE id = ?", (picture_id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def add(self, picture_id: str, place: str, value: Any) -> None:
        """Take an entry of a picture in, whether the picture is there yet or not."""
        self._base.execute(
            "INSERT INTO entries (picture, place, value) VALUES (?, ?, ?)", (picture_id, place, _wire(value))
        )

    def pictures(self) -> Iterator[Gathered]:
        """Yield the pictures in the order of their arrival, with their entries."""
        self._base.execute("CREATE INDEX IF NOT EXISTS by_picture ON entries (picture, number)")
        for picture_id, about in self._stream("SELECT id, about FROM pictures ORDER BY number"):
            rows = self._base.execute(
                "SELECT place, value FROM entries WHERE picture = ? ORDER BY number", (picture_id,)
            )
            yield Gathered(picture_id, json.loads(about), [(place, json.loads(value)) for place, value in rows])

    def orphans(self) -> Iterator[tuple[str, str]]:
        """Yield (place, picture id) of the entries whose picture is not there."""
        yield from self._stream(
            "SELECT place, picture FROM entries WHERE picture NOT IN (SELECT id FROM pictures) ORDER BY number"
        )

    def _stream(self, query: str) -> Iterator[Any]:
        cursor = self._base.execute(query)
        while rows := cursor.fetchmany(_ROWS):
            yield from rows


def _wire(value: Any) -> str:
    return json.dumps(value)  # in ASCII: half a surrogate pair has no place in SQLite's UTF-8
