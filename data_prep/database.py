"""SQLite files of this room: scratch ones, and a cache that outlives a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_prep.records import SourceError

_ROWS = 1000


class Database:
    """One file with tables; what SQLite can not do is a SourceError that names the file.

    Args:
        file: made if it is not there.
        tables: the statements that make its tables.
        what: what it holds, for the message.
        keep: whether a crash must not spoil it; a scratch file is made anew by the next run, and need not be safe.

    """

    def __init__(self, file: Path, tables: str, what: str, *, keep: bool = False) -> None:
        self._file, self._what = file, what
        with self._naming_the_file():
            self._connection = sqlite3.connect(file)
            self._connection.executescript(
                tables if keep else f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {tables}"
            )

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._naming_the_file():
            return self._connection.execute(statement, values).rowcount

    def keep(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each of the rows, and make it last."""
        with self._naming_the_file(), self._connection:
            self._connection.executemany(statement, rows)

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, some of them at a time."""
        with self._naming_the_file():
            cursor = self._connection.execute(query, values)
            while rows := cursor.fetchmany(_ROWS):
                yield from rows

    def value(self, query: str, *values: Any) -> Any:
        """Return the first row's first value; None without rows."""
        return next(self.rows(query, values), (None,))[0]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SourceError(self._file, "", f"can not hold {self._what}: {error}") from error
