"""Caches of picture codes that another one refers to: the shares of an encoding, read where they lie.

What was encoded on other hosts is not copied into the cache that all is read from. That has a second name (a hard link)
for each share's file, and for each picture the number of the file that holds its codes.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from contest.shares import take_file
from training.tune.data.records import TrainingDataError

MOST_OPEN = 64  # files of a thread
TABLES = """
CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS placed (digest BLOB PRIMARY KEY, part INTEGER NOT NULL) WITHOUT ROWID;
"""
# What the cache itself holds is not looked for elsewhere; of shares that hold the same picture, the last one counts.
TAKE_PLACES = """
INSERT OR REPLACE INTO placed SELECT digest, ? FROM other.codes WHERE digest NOT IN (SELECT digest FROM codes)
"""
TAKE_PICTURES = "INSERT OR REPLACE INTO pictures SELECT * FROM other.pictures"


class PartError(OSError):
    """A part can not be read; says which one and why."""


class CodeParts:
    """The files that a cache refers to, in a folder beside it; opened when they are needed, read only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()  # a connection belongs to one thread

    def take(self, connection: sqlite3.Connection, path: Path, name: str, made_by: tuple[str, int, int]) -> None:
        """Refer to the cache at `path`, by `name`, from the cache of a connection: whole, or not at all.

        Raises `TrainingDataError` for codes of another VQGAN or size, `ContestError`, sqlite3's errors.
        """
        connection.execute("ATTACH DATABASE ? AS other", (f"{path.resolve().as_uri()}?mode=ro",))
        try:
            found = connection.execute("SELECT vqgan, side, length FROM other.made_by").fetchone()
            if found is None or tuple(found) != made_by:
                raise TrainingDataError(f"{path}: codes of another VQGAN or size; encode that share again")
            self.folder.mkdir(exist_ok=True)
            take_file(path, self.folder / name)
            with connection:
                connection.execute("INSERT OR IGNORE INTO parts (name) VALUES (?)", (name,))
                (number,) = connection.execute("SELECT number FROM parts WHERE name = ?", (name,)).fetchone()
                connection.execute(TAKE_PLACES, (number,))
                connection.execute(TAKE_PICTURES)
        finally:
            connection.execute("DETACH DATABASE other")

    def row(self, connection: sqlite3.Connection, digest: bytes) -> tuple[int, bytes] | None:
        """Return checksum and codes of a picture by its digest, as a part has them; None where none has them.

        Raises `PartError`.
        """
        placed = "SELECT part, name FROM placed JOIN parts ON part = number WHERE digest = ?"
        found = connection.execute(placed, (digest,)).fetchone()
        if found is None:
            return None
        path = self.folder / found[1]
        try:
            part = self._opened(found[0], path)
            if part is None:
                return None
            row: tuple[int, bytes] | None
            row = part.execute("SELECT checksum, codes FROM codes WHERE digest = ?", (digest,)).fetchone()
            return row
        except sqlite3.DatabaseError as error:
            raise PartError(f"{path}: {error}; remove that file: its pictures are encoded again") from error

    def _opened(self, number: int, path: Path) -> sqlite3.Connection | None:
        opened: dict[int, sqlite3.Connection] = self._local.__dict__.setdefault("opened", {})
        if number not in opened:
            if not path.is_file():
                return None
            if len(opened) >= MOST_OPEN:
                opened.pop(next(iter(opened))).close()
            opened[number] = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        return opened[number]
