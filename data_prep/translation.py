"""Translations of a source's texts: from a table, from a hook with a cache on disk, or none; and doubts about them.

A hook is a function `translate(texts: list[str]) -> list[str]` of any module on the path, named "module:function".
"""

from __future__ import annotations

import csv
import importlib
import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from contest.checking import is_unicode
from data_prep.records import SourceError

FEWEST_CYRILLIC = 0.6  # of the letters
LENGTH_RATIO = (0.35, 3.0)
SHORT = 12  # characters: below that, lengths say nothing
LONGEST_RUN = 3  # of one word
MOST_REPEATS = 3  # of three words in a row
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")
_COLUMNS = 2
_NO_PAIR = 'is no {"text": ..., "translation": ...} of texts in Unicode'


class Translator(Protocol):
    """Something that translates."""

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """The translations, None where there is none. Raises SourceError if it can not go on."""


class AsItIs:
    """For texts that are Russian already."""

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """The texts themselves."""
        return list(texts)


class Table:
    """A file of texts with their translations, indexed on disk.

    JSON lines `{"text": ..., "translation": ...}`, or else (.tsv, .csv) two columns without a header.
    Raises SourceError for a file that can not be read, or a line that holds no pair.
    """

    def __init__(self, file: Path, scratch: Path) -> None:
        self._base = sqlite3.connect(scratch / "translations.sqlite")
        self._base.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;CREATE TABLE known (text TEXT PRIMARY KEY, said TEXT);"
        )
        try:
            self._base.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", _rows(file))
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(file, "", f"can not be read: {error}") from error

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """What the table has."""
        return [_known(self._base, text) for text in texts]


class Hook:
    """A function that translates, asked once for each text: what it said is kept in a file and outlives a kill.

    Raises SourceError for a name that leads to no function, or a cache of another kind of file.
    """

    def __init__(self, name: str, cache: Path) -> None:
        self.name = name
        module, _, function = name.partition(":")
        if not module or not function:
            raise SourceError(name, "", 'name the translator as "module:function"')
        try:
            self._translate: Callable[[list[str]], list[str]] = getattr(importlib.import_module(module), function)
        except Exception as error:  # whatever importing somebody else's code may raise
            problem = f"there is no such function: {type(error).__name__}: {error}"
            raise SourceError(name, "", problem) from error
        try:
            self._base = sqlite3.connect(cache)
            self._base.execute("CREATE TABLE IF NOT EXISTS known (text TEXT PRIMARY KEY, said TEXT)")
        except sqlite3.Error as error:
            raise SourceError(cache, "", f"can not hold translations: {error}") from error

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """What the hook said, now or before."""
        missing = [text for text in dict.fromkeys(texts) if _known(self._base, text) is None]
        if missing:
            said = self._ask(missing)
            with self._base:
                self._base.executemany("INSERT INTO known VALUES (?, ?)", zip(missing, said, strict=True))
        return [_known(self._base, text) for text in texts]

    def _ask(self, texts: list[str]) -> list[str]:
        try:
            said = self._translate(texts)
        except Exception as error:  # whatever somebody else's code may raise
            raise SourceError(
                self.name, "", f"raised {type(error).__name__}: {error}; started again, it goes on"
            ) from error
        if not isinstance(said, list | tuple) or not all(map(_is_writable, said)):
            raise SourceError(self.name, "", f"gave a {type(said).__name__} that is no list of texts in Unicode")
        if len(said) != len(texts):
            raise SourceError(self.name, "", f"gave {len(said)} translations of {len(texts)} texts")
        return list(said)


def translator_of(table: Path | None, hook: str | None, cache: Path | None, scratch: Path) -> Translator:
    """The translator that the command line asks for. Raises SourceError."""
    if table is not None:
        return Table(table, scratch)
    if hook is not None:
        return Hook(hook, cache or scratch.parent.parent / "translations.sqlite")
    return AsItIs()


def doubt(text: str, translation: str) -> str | None:
    """What speaks against a translation into Russian; None if nothing does.

    Too few Cyrillic letters, another length, a question mark or a number lost or found, a loop.
    """
    letters = [letter for letter in translation if letter.isalpha()]
    cyrillic = sum("а" <= letter <= "я" or letter == "ё" for letter in translation.lower())
    if not letters and any(letter.isalpha() for letter in text):
        return "has no letters"
    if letters and cyrillic < FEWEST_CYRILLIC * len(letters):
        return f"{cyrillic} of {len(letters)} letters are Cyrillic"
    low, high = LENGTH_RATIO
    if max(len(text), len(translation)) > SHORT and not low <= len(translation) / max(1, len(text)) <= high:
        return f"{len(text)} characters became {len(translation)}"
    if ("?" in text) != ("?" in translation):
        return "the question mark is lost" if "?" in text else "a question mark is new"
    lost = set(_DIGITS.findall(text)) ^ set(_DIGITS.findall(translation))
    if lost:
        return f"the number {sorted(lost)[0]} is on one side only"
    return _loop(_WORD.findall(translation.lower()))


def _loop(words: Sequence[str]) -> str | None:
    run = 1
    for before, word in pairwise(words):
        run = run + 1 if word == before else 1
        if run > LONGEST_RUN:
            return f"repeats {word!r}"
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    if threes:
        three, count = threes.most_common(1)[0]
        if count > MOST_REPEATS:
            return f"repeats {' '.join(three)!r}"
    return None


def _is_writable(text: object) -> bool:
    """Whether it is a text that SQLite's UTF-8 has a place for."""
    return isinstance(text, str) and is_unicode(text)


def _known(base: sqlite3.Connection, text: str) -> str | None:
    row = base.execute("SELECT said FROM known WHERE text = ?", (text,)).fetchone()
    return None if row is None else str(row[0])


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(min(sys.maxsize, 1 << 24))
    with open(file, encoding="utf-8-sig", newline="") as stream:
        if file.suffix in (".tsv", ".csv"):
            for number, row in enumerate(csv.reader(stream, delimiter="," if file.suffix == ".csv" else "\t"), start=1):
                if len(row) != _COLUMNS:
                    raise SourceError(
                        file, f"line {number}", f"has {len(row)} columns; a text and its translation are two"
                    )
                yield row[0], row[1]
            return
        for number, line in enumerate(stream, start=1):
            try:
                entry = json.loads(line)
                pair = entry["text"], entry["translation"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise SourceError(file, f"line {number}", _NO_PAIR) from error
            if not all(map(_is_writable, pair)):
                raise SourceError(file, f"line {number}", _NO_PAIR)
            yield pair
