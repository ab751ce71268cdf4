"""Picture codes on disk, by the picture's content and the VQGAN that made them. Opens no picture, runs no network.

One SQLite file for each VQGAN and size: any number of processes read and add at once, and what is committed stays,
whatever is killed. A picture's file (or row of a shard) leads to the digest of its content, and that to the codes:
`uint16`, 1.15 KB for 24 x 24. A renamed or copied picture is not encoded again; one with another content is. Codes that
other hosts made stay in their files (`code_parts`).
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contest.console import say
from contest.stand_ins import stand_in_at
from training.tune.data.code_parts import TABLES as PART_TABLES
from training.tune.data.code_parts import CodeParts, PartError
from training.tune.data.records import TrainingDataError

Codes = npt.NDArray[np.uint16]

IN_A_FILE = -1  # the row of a picture that is a file of its own
WAIT_SECONDS = 120.0  # for another process's transaction
TABLES = """
CREATE TABLE IF NOT EXISTS made_by (vqgan TEXT NOT NULL, side INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pictures (path TEXT, row INTEGER, size INTEGER NOT NULL, modified INTEGER NOT NULL,
    digest BLOB NOT NULL, PRIMARY KEY (path, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (digest BLOB PRIMARY KEY, checksum INTEGER NOT NULL, codes BLOB NOT NULL);
"""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class CodesCacheError(OSError):
    """The cache of picture codes can not be read or written; says which file and why."""


@dataclass(frozen=True, slots=True)
class PictureKey:
    """A picture as it lies on disk: the absolute path of its file or shard, its row in that (`IN_A_FILE`: none), and
    size in bytes and time of modification in nanoseconds of the file."""

    path: str
    row: int
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture's SHA-256 digest, and its codes unless the cache had them already."""

    key: PictureKey
    digest: bytes
    codes: Codes | None


class CodesCache:
    """The codes of one VQGAN (`vqgan`: digest of its weights) for pictures of one side: `length` codes each."""

    def __init__(self, folder: Path, vqgan: str, side: int, length: int) -> None:
        self.path = folder / f"codes_{vqgan[:16]}_{side}.sqlite"
        self.made_by = (vqgan, side, length)
        self.parts = CodeParts(self.path.with_suffix(".parts"))
        self._local = threading.local()  # a connection belongs to one thread

    def __reduce__(self) -> tuple[type[CodesCache], tuple[Path, str, int, int]]:
        return CodesCache, (self.path.parent, *self.made_by)

    def prepare(self) -> None:
        """Make the file if there is none. A damaged one is put aside, with a line on stderr: all is encoded again.

        To be called by one process at a time. Raises `TrainingDataError` for a file of another VQGAN.
        """
        try:
            with self._connected() as connection, connection:
                connection.executescript(TABLES + PART_TABLES)
                if not connection.execute("SELECT count(*) FROM made_by").fetchone()[0]:
                    connection.execute("INSERT INTO made_by VALUES (?, ?, ?)", self.made_by)
                found = connection.execute("SELECT vqgan, side, length FROM made_by").fetchone()
                connection.execute("SELECT count(*) FROM pictures").fetchone()
                connection.execute("SELECT max(rowid) FROM codes").fetchone()
        except _DamagedError as error:
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            say(f"{error}; put aside as {aside.name}, pictures are encoded again")
            self.prepare()
            return
        if tuple(found) != self.made_by:
            raise TrainingDataError(
                f"{self.path}: codes of another VQGAN or size ({found[0][:16]}, side {found[1]}, {found[2]} codes); "
                "delete the file, or set another cache folder"
            )

    def unknown(self, keys: Sequence[PictureKey]) -> list[PictureKey]:
        """Return those of the keys that have no whole codes: new, changed on disk since, or with a truncated entry."""
        sql = "SELECT digest FROM pictures WHERE path = ? AND row = ? AND size = ? AND modified = ?"
        with self._connected() as connection:
            return [
                key
                for key in keys
                if (found := connection.execute(sql, (key.path, key.row, key.size, key.modified)).fetchone()) is None
                or not self._holds(connection, found[0])
            ]

    def has(self, digest: bytes) -> bool:
        """Whether there are whole codes for a picture with this content."""
        with self._connected() as connection:
            return self._read(connection, digest) is not None

    def add(self, entries: Sequence[Encoded]) -> None:
        """Add entries, all or none of them. Codes that are there already and whole stay."""
        with self._connected() as connection, connection:
            for entry in entries:
                if entry.codes is not None:
                    data = entry.codes.astype("<u2").tobytes()
                    if len(data) != self._bytes:
                        raise ValueError(f"{len(entry.codes)} codes given, {self.made_by[2]} expected")
                    connection.execute(
                        "INSERT OR REPLACE INTO codes VALUES (?, ?, ?)", (entry.digest, zlib.crc32(data), data)
                    )
                key = entry.key
                connection.execute(
                    "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)",
                    (key.path, key.row, key.size, key.modified, entry.digest),
                )

    def take(self, path: Path, name: str) -> None:
        """Refer, by `name`, to all that another cache of the same VQGAN and size holds, or to nothing of it.

        Raises `TrainingDataError` for one of another, `CodesCacheError`.
        """
        with self._connected() as connection:
            try:
                self.parts.take(connection, path, name, self.made_by)
            except sqlite3.DatabaseError as error:
                problem = f"{path}: can not be taken over ({error}); remove that share's folder and encode it again"
                raise CodesCacheError(problem) from error

    def codes(self, path: str, row: int = IN_A_FILE) -> Codes | None:
        """Codes of a picture by its place on disk, int `[length]`; None if there are none, or only damaged ones."""
        with self._connected() as connection:
            sql = "SELECT digest FROM pictures WHERE path = ? AND row = ?"
            found = connection.execute(sql, (path, row)).fetchone()
            return None if found is None else self._read(connection, found[0])

    @property
    def _bytes(self) -> int:
        return 2 * self.made_by[2]

    def _holds(self, connection: sqlite3.Connection, digest: bytes) -> bool:
        """Whether there are codes of full length."""
        found = connection.execute("SELECT length(codes) FROM codes WHERE digest = ?", (digest,)).fetchone()
        if found is not None:
            return bool(found[0] == self._bytes)
        elsewhere = self.parts.row(connection, digest)
        return elsewhere is not None and len(elsewhere[1]) == self._bytes

    def _read(self, connection: sqlite3.Connection, digest: bytes) -> Codes | None:
        found = connection.execute("SELECT checksum, codes FROM codes WHERE digest = ?", (digest,)).fetchone()
        found = self.parts.row(connection, digest) if found is None else found
        if found is None or len(found[1]) != self._bytes or zlib.crc32(found[1]) != found[0]:
            return None
        return np.frombuffer(found[1], dtype="<u2").astype(np.uint16)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection; SQLite's errors become `CodesCacheError`."""
        try:
            if not hasattr(self._local, "connection"):
                self._local.connection = sqlite3.connect(self.path.resolve().as_uri(), WAIT_SECONDS, uri=True)
            yield self._local.connection
        except PartError as error:
            raise CodesCacheError(str(error)) from error
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
                self._local.connection.close()
                del self._local.connection
                raise _DamagedError(f"{self.path}: {_what_lies_there(self.path, error)}") from error
            raise CodesCacheError(f"{self.path}: {error}") from error


def _what_lies_there(path: Path, error: sqlite3.DatabaseError) -> str:
    other = stand_in_at(path)
    return f"the cache of picture codes is damaged ({error})" if other is None else other.what


class _DamagedError(CodesCacheError):
    """The file is no whole SQLite file."""
