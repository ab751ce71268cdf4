"""Reads the contest's JSON files one sample at a time, in memory that does not grow with the file.

For files that `contest.reading` would hold whole: the same samples, the same complaints, in the same words. Python's
own JSON scanner reads one sample after the other from a window that slides over the file's text.
"""

from __future__ import annotations

import codecs
import json
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from contest.checking import (
    Checker,
    check_id,
    described,
    object_of,
    parse_ground_truth,
    parse_sample,
    problem_of_json,
)
from contest.errors import Code, ContestError, ContestFileError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.limits import MAX_ENTRY_CHARACTERS
from contest.stand_ins import HEAD_BYTES, stand_in
from errors import bare_reason

Entry = TypeVar("Entry")

CHUNK_BYTES = 1 << 20
MAX_ERRORS = 1000  # a file with more is given up: nobody reads on, and they would be held in memory
SORTED_AT_ONCE = 100_000
_SPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_LITERAL = len("-Infinity")


def stream_input(path: str | PathLike[str]) -> Iterator[Sample]:
    """Yield the samples of an `input.json`, in file order.

    Raises ContestFileError with everything that is wrong: at once if the file is no JSON from some place on, otherwise
    after the last sound sample.
    """
    return _stream(path, lambda checker, value: parse_sample(checker, value, may_be_empty=False))


def stream_ground_truth(path: str | PathLike[str]) -> Iterator[GroundTruth]:
    """Yield the samples of a `ground_truth.json`, in file order. Raises ContestFileError as `stream_input` does."""
    return _stream(path, parse_ground_truth)


def _stream(path: str | PathLike[str], parse: Callable[[Checker, Any], Entry | None]) -> Iterator[Entry]:
    checker = Checker(fspath(path), [])
    hashes = array("q")  # of the ids: eight bytes a sample, where the ids themselves would take a hundred
    for sample_id, value in pairs_of(checker):
        checker.sample_id = sample_id
        hashes.append(hash(sample_id))
        usable = check_id(checker, sample_id)
        entry = parse(checker, value)
        if usable and entry is not None:
            yield entry
        if len(checker.errors) > MAX_ERRORS:
            break
    for repeated in _repeated_ids(checker.file, hashes):
        checker.sample_id = repeated
        checker.report(Code.DUPLICATE_ID, "the id stands more than once")
    if checker.errors:
        raise ContestFileError(checker.errors)


def _repeated_ids(file: str, hashes: array[int]) -> list[str]:
    """Ids that stand more than once, in file order; the file is read again only if some have equal hashes."""
    suspects: set[int] = set()
    parts = 1 + len(hashes) // SORTED_AT_ONCE
    for part in range(parts):
        ordered = sorted(value for value in hashes if value % parts == part)
        suspects.update(value for value, following in pairwise(ordered) if value == following)
    if not suspects:
        return []
    found = Counter(sample_id for sample_id, _ in pairs_of(Checker(file, [])) if hash(sample_id) in suspects)
    return [sample_id for sample_id, count in found.items() if count > 1]


def pairs_of(checker: Checker) -> Iterator[tuple[str, Any]]:
    """Yield id and value of each entry of the file's top-level object. Raises ContestFileError if it holds none."""
    try:
        with Path(checker.file).open("rb") as stream:
            if (found := stand_in(stream.peek(HEAD_BYTES)[:HEAD_BYTES])) is not None:
                raise _fatal(checker, Code.NOT_JSON, found.what, found.remedy)
            yield from _Window(stream, checker).pairs()
    except FileNotFoundError as error:
        raise _fatal(checker, Code.FILE_MISSING) from error
    except UnicodeDecodeError as error:
        raise _fatal(checker, Code.NOT_UTF8, f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _fatal(checker, Code.NESTED_TOO_DEEPLY) from error
    except OSError as error:
        raise _fatal(checker, Code.FILE_UNREADABLE, bare_reason(error)) from error
    except _NotJSONError as error:
        raise _fatal(checker, Code.NOT_JSON, str(error)) from error
    except ValueError as error:  # a number of more digits than Python converts, a path with NUL
        if "\0" in checker.file:
            raise _fatal(checker, Code.FILE_UNREADABLE, bare_reason(error)) from error
        raise _fatal(checker, Code.NOT_JSON, problem_of_json(error)) from error


class _NotJSONError(ValueError):
    """The text is no JSON from some place on, which the message names."""


class _Window:
    """The part of a file's text that is looked at, and the place in it."""

    def __init__(self, stream: BinaryIO, checker: Checker) -> None:
        self.stream = stream
        self.checker = checker
        self.decode = codecs.getincrementaldecoder("utf-8")()
        self.not_finite: list[str] = []
        self.scan = json.JSONDecoder(object_pairs_hook=object_of, parse_constant=self._constant).raw_decode
        self.text, self.place, self.ended = "", 0, False
        self.bytes_read = 0
        # Of the text before the window: its length, its line breaks, and where its last line begins.
        self.dropped, self.lines, self.line_start = 0, 0, 0

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """Yield key and value of each entry of the object that the file holds."""
        self._more()
        self.text = self.text.removeprefix("\ufeff")  # a byte order mark is tolerated
        if self._next() != "{":
            document = self._value()
            self._demand_the_end()
            raise _fatal(self.checker, Code.NOT_AN_OBJECT, f"the top level is {described(document)}")
        self.place += 1
        if self._next() == "}":
            self.place += 1
        else:
            while True:
                key = self._key()
                if self._next() != ":":
                    raise self._error("Expecting ':' delimiter")
                self.place += 1
                self._next()
                yield key, self._value()
                delimiter = self._next()
                if delimiter not in (",", "}"):
                    raise self._error("Expecting ',' delimiter")
                self.place += 1
                if delimiter == "}":
                    break
        self._demand_the_end()

    def _demand_the_end(self) -> None:
        if self._next():
            raise self._error("Extra data")

    def _constant(self, name: str) -> float:
        self.not_finite.append(name)
        return float(name)

    def _key(self) -> str:
        if self._next() != '"':
            raise self._error("Expecting property name enclosed in double quotes")
        key: str = self._value()
        self.checker.sample_id = key
        return key

    def _value(self) -> Any:
        """Scan the JSON value at the place, which is no white space; the window grows until it holds it whole."""
        while True:
            self.not_finite.clear()
            try:
                value, end = self.scan(self.text, self.place)
            except json.JSONDecodeError as error:
                self._demand_bounded(len(self.text))
                cut_off = error.msg.startswith("Unterminated string") or error.pos + _LONGEST_LITERAL >= len(self.text)
                if cut_off and self._more():
                    continue
                raise self._error(error.msg, error.pos) from error
            if end == len(self.text) and self._more():  # the first digits of a number are a number too
                continue
            self._demand_bounded(end)
            self.place = end
            for name in self.not_finite:
                self.checker.report(Code.NOT_FINITE, f"{name} stands in the file")
            return value

    def _demand_bounded(self, end: int) -> None:
        """Raise ContestFileError if what is scanned is longer than any honest entry: it would be held in memory."""
        if end - self.place > MAX_ENTRY_CHARACTERS:
            message = f"the entry has more than {MAX_ENTRY_CHARACTERS:,} characters"
            error = ContestError(
                Code.ENTRY_TOO_LARGE, message, file=self.checker.file, sample_id=self.checker.sample_id
            )
            raise ContestFileError([*self.checker.errors, error])

    def _next(self) -> str:
        """Skip white space; return the character found, or nothing at the end of the file."""
        while True:
            found = _SPACE.match(self.text, self.place)
            assert found is not None, "it matches the empty text too"
            self.place = found.end()
            if self.place < len(self.text):
                return self.text[self.place]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Drop what was passed and read as much again as is kept, or a chunk; False at the end of the file."""
        if self.ended:
            return False
        passed = self.text[: self.place]
        if (line_break := passed.rfind("\n")) >= 0:
            self.lines += passed.count("\n")
            self.line_start = self.dropped + line_break + 1
        self.dropped += self.place
        kept, self.place = self.text[self.place :], 0
        pending = len(self.decode.getstate()[0])
        data = self.stream.read(max(CHUNK_BYTES, min(len(kept), MAX_ENTRY_CHARACTERS - len(kept) + 1)))
        self.ended = not data
        try:
            self.text = kept + self.decode.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            error.start += self.bytes_read - pending
            raise
        self.bytes_read += len(data)
        return True

    def _error(self, message: str, place: int | None = None) -> _NotJSONError:
        """Return the JSON reader's error in its own words, with line, column and character of the whole file."""
        place = self.place if place is None else place
        before = self.text[:place]
        line = self.lines + before.count("\n") + 1
        line_break = before.rfind("\n")
        start = self.dropped + line_break + 1 if line_break >= 0 else self.line_start
        place += self.dropped
        return _NotJSONError(f"{message}: line {line} column {place - start + 1} (char {place})")


def _fatal(checker: Checker, code: Code, message: str = "", remedy: str | None = None) -> ContestFileError:
    return ContestFileError([*checker.errors, ContestError(code, message, file=checker.file, remedy=remedy)])
