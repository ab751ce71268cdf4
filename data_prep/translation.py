"""Translations of a source's texts: from a table, from a hook with a cache on disk, or none; and doubts about them.

A hook is a function `translate(texts: list[str]) -> list[str]` of any module on the path, named "module:function".
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from contest.checking import is_unicode
from contest.console import counted
from data_prep.cleaning import clean
from data_prep.database import Database
from data_prep.records import SourceError
from data_prep.sources.reading import FieldError, lines, parse_line, require_data
from data_prep.tables import TableForm, form_of, rows

FEWEST_CYRILLIC = 0.6  # of the letters
LENGTH_RATIO = (0.35, 3.0)
SHORT = 12  # characters: below that, lengths say nothing
LONGEST_RUN = 3  # of one word
MOST_REPEATS = 3  # of three words in a row
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")
_COLUMNS = 2
_KNOWN = "CREATE TABLE IF NOT EXISTS known (text TEXT PRIMARY KEY, said TEXT)"
_NO_PAIR = 'is no {"text": ..., "translation": ...} of texts in Unicode; two columns are read of .tsv and .csv files'


class Translator(Protocol):
    """Something that translates."""

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """The translations, None where there is none. Raises SourceError if it can not go on."""


class IdentityTranslator:
    """For texts that are Russian already."""

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """The texts themselves."""
        return list(texts)


class TranslationTable:
    """A file of texts with their translations, indexed on disk.

    JSON lines `{"text": ..., "translation": ...}`, or else (.tsv, .csv) two columns without a header. Its texts may be
    as the source has them, or cleaned: both are found, the very text that is asked for first.
    Raises SourceError for a file that can not be read, or a line that holds no pair.
    """

    def __init__(self, file: Path, scratch: Path) -> None:
        require_data(file)
        self._base = Database(
            scratch / "translations.sqlite",
            f"{_KNOWN}; CREATE TABLE cleaned (text TEXT PRIMARY KEY, said TEXT)",
            "translations",
        )
        for text, said in _pairs(file):
            self._base.change("INSERT OR IGNORE INTO known VALUES (?, ?)", (text, said))
            if (plain := clean(text)) != text:
                self._base.change("INSERT OR IGNORE INTO cleaned VALUES (?, ?)", (plain, said))

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """What the table has."""
        return [self._said(text) for text in texts]

    def _said(self, text: str) -> str | None:
        plain, said = clean(text), _known(self._base, text)
        if said is None and plain != text:
            said = _known(self._base, plain)
        if said is None:
            said = self._base.value("SELECT said FROM cleaned WHERE text = ?", plain)
        return said


class TranslatorHook:
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
        if cache.exists() and cache.stat().st_size:  # an empty one is a new one
            require_data(cache)
        self._base = Database(cache, _KNOWN, "translations", keep=True)

    def translate(self, texts: Sequence[str]) -> list[str | None]:
        """What the hook said, now or before."""
        missing = [text for text in dict.fromkeys(texts) if _known(self._base, text) is None]
        if missing:
            self._base.keep("INSERT INTO known VALUES (?, ?)", zip(missing, self._ask(missing), strict=True))
        return [_known(self._base, text) for text in texts]

    def _ask(self, texts: list[str]) -> list[str]:
        try:
            said = self._translate(texts)
        except Exception as error:  # whatever somebody else's code may raise
            raise SourceError(
                self.name, "", f"raised {type(error).__name__}: {error}; started again, it goes on"
            ) from error
        if not isinstance(said, list | tuple) or not all(map(_is_writable, said)):
            raise SourceError(
                self.name, "", f"gave a {type(said).__name__} that is no list of texts in Unicode; return one"
            )
        if len(said) != len(texts):
            raise SourceError(self.name, "", f"gave {len(said)} translations of {len(texts)} texts")
        return list(said)


@dataclass(frozen=True)
class Translation:
    """Where translations come from; without a table and a hook the texts are Russian already.

    Args:
        table: a file of translations; see `TranslationTable`.
        hook: "module:function" of a translator.
        cache: where its translations are kept.

    """

    table: Path | None = None
    hook: str | None = None
    cache: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that the output depends on."""
        return [] if self.table is None else [self.table]

    def translator(self, scratch: Path) -> Translator:
        """The translator. Raises SourceError."""
        if self.table is not None:
            return TranslationTable(self.table, scratch)
        if self.hook is not None:
            return TranslatorHook(self.hook, self.cache or scratch.parent.parent / "translations.sqlite")
        return IdentityTranslator()


RUSSIAN = Translation()


def check_translation(text: str, translation: str) -> str | None:
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


def _known(base: Database, text: str) -> str | None:
    said: str | None = base.value("SELECT said FROM known WHERE text = ?", text)
    return said


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    ending = file.suffix.lower()
    if ending in (".tsv", ".csv"):
        mark = "," if ending == ".csv" else "\t"
        form = form_of(file, lambda row: len(row) == _COLUMNS, mark) or TableForm(mark, quoted=True, spaced=False)
        # A tab stands in no text: there quotation marks of a text may be doubled and enclosed, as spreadsheets do.
        for number, cells in rows(file, replace(form, quoted=True)):
            if len(cells) != _COLUMNS:
                problem = f"has {counted(len(cells), 'column')}; a text and its translation are two"
                raise SourceError(file, f"line {number}", problem)
            yield cells[0], cells[1]
        return
    for line in lines(file):
        try:
            entry = parse_line(line)
            pair = entry["text"], entry["translation"]
        except (FieldError, KeyError, TypeError) as error:
            raise SourceError(file, line.place, _NO_PAIR) from error
        if not all(map(_is_writable, pair)):
            raise SourceError(file, line.place, _NO_PAIR)
        yield pair
