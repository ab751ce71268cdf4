"""Opens the SQLite files that the evaluation keeps: one writer at a time, and no file of another program."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contest.stand_ins import stand_in_at
from evaluation.errors import EvaluationError

WAIT_SECONDS = 120.0  # for another process that writes


@dataclass(frozen=True)
class SQLiteFile:
    """A kind of file.

    Attributes:
        noun: what it is called in messages.
        application_id: SQLite's mark of the program that a file belongs to.
        schema: what makes the tables of the newest version.
        upgrades: by version, what makes a file of it into one of the next; the newest version is the one after these.
        error: raised for a file that can not be used.
        made_by: the command that makes the first file.

    """

    noun: str
    application_id: int
    schema: Sequence[str]
    upgrades: Mapping[int, Sequence[str]]
    error: type[EvaluationError]
    made_by: str

    @property
    def version(self) -> int:
        """The newest version."""
        return max(self.upgrades, default=0) + 1

    @contextmanager
    def opened(self, path: Path, *, may_make: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside a transaction that holds the file's write lock from its beginning.

        Raises `error` if there is no file (unless one may be made), or if it can not be used.
        """
        if not may_make and not path.is_file():
            raise self.error(f"{path} does not exist", f"make it with `{self.made_by}`")
        try:
            connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
            try:
                # Taken at once: a transaction that reads first and writes later would fail where another came between.
                connection.execute("BEGIN IMMEDIATE")
                self._make_current(connection, path)
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()  # which rolls an open transaction back
        except sqlite3.Error as error:
            # Asked only now: to close a file that SQLite has open takes this process's locks on it away.
            if not isinstance(error, sqlite3.OperationalError) and (stand_in := stand_in_at(path)) is not None:
                raise self.error(f"{path}: {stand_in.what}", stand_in.remedy) from error
            raise self.error(f"{path}: {error}", f"give a {self.noun} that may be written to") from error

    def _make_current(self, connection: sqlite3.Connection, path: Path) -> None:
        """Make the tables in a file without any, add what an earlier version had not."""
        application, version, tables = (
            connection.execute(query).fetchone()[0]
            for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        statements: list[str] = []
        if tables == 0:
            statements = [*self.schema, f"PRAGMA application_id = {self.application_id}"]
        elif application == self.application_id and version in self.upgrades:
            statements = [one for number in range(version, self.version) for one in self.upgrades[number]]
        elif (application, version) != (self.application_id, self.version):
            raise self.error(f"{path} is another program's database, or another version's", "give another file")
        for statement in statements and [*statements, f"PRAGMA user_version = {self.version}"]:
            connection.execute(statement)
