"""Reads a JSON document of any size piece by piece, from a window that slides over its text.

Python's own scanner reads the values; what is wrong is said in its words, with the place in the whole document.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

CHUNK_BYTES = 1 << 17
_MARK = "\ufeff"  # of the byte order
_SPACES = " \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_LITERAL = len(r"\ud83d\ude00")  # what the scanner refuses as a whole when its end is cut off


class JSONPlace(NamedTuple):
    """A place in a document: line and column from 1, and the character from 0, as Python's reader counts them."""

    line: int
    column: int
    character: int


class NotJSONError(Exception):
    """The text is no JSON from a place on."""

    def __init__(self, problem: str, place: JSONPlace) -> None:
        super().__init__(f"{problem}: line {place.line} column {place.column} (char {place.character})")
        self.problem, self.place = problem, place


class NestedTooDeeplyError(NotJSONError):
    """A value is nested too deeply to be read."""


class ValueTooLongError(NotJSONError):
    """A value is longer than is read."""


class JSONReader:
    """A window on a document: takes its values one after the other, and holds one of them at a time.

    All methods raise `NotJSONError` at the place from which the text is no JSON, UnicodeDecodeError (with the position
    in the file) where it is not UTF-8, and OSError. A byte order mark at the beginning is tolerated.

    Args:
        stream: the document.
        object_pairs_hook: as of `json.loads`.
        longest: how many characters a value may have; more raise `ValueTooLongError`. None: any number.

    Attributes:
        text: what has been read and not been dropped yet.
        not_finite: NaN, Infinity and -Infinity, as they stand in the last value.

    """

    def __init__(
        self,
        stream: BinaryIO,
        object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
        longest: int | None = None,
    ) -> None:
        self.text = ""
        self.not_finite: list[str] = []
        self._stream = stream
        self._longest = longest
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder(object_pairs_hook=object_pairs_hook, parse_constant=self._constant).raw_decode
        self._position = 0  # in the window
        self._has_begun = self._has_ended = False
        self._bytes_read = 0
        self._counted, self._counted_bytes = 0, 0  # how far in the window bytes were counted, and all of them
        # Of the text before the window: its length, its line breaks, and where its last line begins.
        self._dropped, self._lines, self._line_start = 0, 0, 0

    def peek(self) -> str:
        """Return the next character that is no white space, without taking it; "" at the document's end."""
        if self._position < len(self.text) and (found := self.text[self._position]) not in _SPACES:
            return found  # as nearly always
        while True:
            space = _SPACE.match(self.text, self._position)
            assert space is not None, "it matches the empty text too"
            self._position = space.end()
            if self._position < len(self.text):
                return self.text[self._position]
            if not self._read_on():
                return ""

    def member_names(self) -> Iterator[str]:
        """Yield the keys of the object that begins here; whoever asks for the next one has taken the value."""
        for _ in self._parts("}"):
            if self.peek() != '"':
                raise self._error("Expecting property name enclosed in double quotes")
            key: str = self.value()
            if self.peek() != ":":
                raise self._error("Expecting ':' delimiter")
            self._position += 1
            yield key

    def element_indices(self) -> Iterator[int]:
        """Yield the indices of the list that begins here; whoever asks for the next one has taken the element."""
        return self._parts("]")

    def value(self) -> Any:
        """Return the value that begins here; the window grows until it holds it whole."""
        self.peek()
        while True:
            self.not_finite.clear()
            try:
                value, end = self._scan(self.text, self._position)
            except json.JSONDecodeError as error:
                self._require_bounded(len(self.text))
                is_cut = error.msg.startswith("Unterminated string") or error.pos + _LONGEST_LITERAL >= len(self.text)
                if is_cut and self._read_on():
                    continue
                raise self._error(error.msg, error.pos) from error
            except RecursionError as error:
                raise NestedTooDeeplyError("it is nested too deeply", self.place()) from error
            except ValueError as error:
                raise self._error("a number has more digits than are read") from error
            # A number at the window's end might go on; "1.5e+" is read as 1.5, two characters before the end.
            if isinstance(value, int | float) and len(self.text) - end <= 2 and self._read_on():
                continue
            self._require_bounded(end)
            self._position = end
            return value

    def require_end(self) -> None:
        """Raise NotJSONError if anything but white space follows."""
        if self.peek():
            raise self._error("Extra data")

    def place(self) -> JSONPlace:
        """Return where the window's position is."""
        return self._place(self._position)

    def byte_place(self) -> int:
        """Return how many bytes of the stream lie before the window's position."""
        self._counted_bytes += len(self.text[self._counted : self._position].encode())
        self._counted = self._position
        return self._counted_bytes

    def beginning(self, characters: int) -> str:
        """Return so many characters of the text from here on, as far as it has been read."""
        return self.text[self._position : self._position + characters]

    def _parts(self, end: str) -> Iterator[int]:
        self.peek()
        self._position += 1
        if self.peek() == end:
            self._position += 1
            return
        index = 0
        while True:
            yield index
            index += 1
            delimiter = self.peek()
            if delimiter not in (",", end) or not delimiter:
                raise self._error("Expecting ',' delimiter")
            self._position += 1
            if delimiter == end:
                return
            self.peek()

    def _constant(self, name: str) -> float:
        self.not_finite.append(name)
        return float(name)

    def _require_bounded(self, end: int) -> None:
        if self._longest is not None and end - self._position > self._longest:
            raise ValueTooLongError(f"a value has more than {self._longest:,} characters", self.place())

    def _read_on(self) -> bool:
        """Drop what was taken and read as much again as is kept, or a chunk; False at the end of the file."""
        if self._has_ended:
            return False
        taken = self.text[: self._position]
        if (line_break := taken.rfind("\n")) >= 0:
            self._lines += taken.count("\n")
            self._line_start = self._dropped + line_break + 1
        self._dropped += self._position
        self._counted_bytes += len(taken[self._counted :].encode())
        self._counted = 0
        kept, self._position = self.text[self._position :], 0
        pending = len(self._decoder.getstate()[0])
        room = len(kept) if self._longest is None else min(len(kept), self._longest - len(kept) + 1)
        data = self._stream.read(max(CHUNK_BYTES, room))
        self._has_ended = not data
        try:
            text = self._decoder.decode(data, final=self._has_ended)
        except UnicodeDecodeError as error:
            error.start += self._bytes_read - pending
            raise
        if text and not self._has_begun:
            if text.startswith(_MARK):
                text = text[len(_MARK) :]
                self._counted_bytes += len(codecs.BOM_UTF8)
            self._has_begun = True
        self.text = kept + text
        self._bytes_read += len(data)
        return True

    def _error(self, problem: str, position: int | None = None) -> NotJSONError:
        return NotJSONError(problem, self._place(self._position if position is None else position))

    def _place(self, position: int) -> JSONPlace:
        before = self.text[:position]
        line_break = before.rfind("\n")
        start = self._dropped + line_break + 1 if line_break >= 0 else self._line_start
        character = self._dropped + position
        return JSONPlace(self._lines + before.count("\n") + 1, character - start + 1, character)
