"""Streams the elements of a JSON document of any size, one at a time. Knows nothing of what they mean.

A document is taken as a list, or as an object of lists, objects and plain values: each element or member of those is
handed over by itself, so that memory holds one element and a buffer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from contest.errors import quote
from contest.stand_ins import stand_in_at
from data_prep.records import SourceError

CHUNK_CHARACTERS = 1 << 20
SPACE = " \t\n\r"
QUOTED = 40  # characters of a file that is no JSON


class Element(NamedTuple):
    """An element of the document: the section (key of the top-level object, "" in a list), its key or index, itself."""

    section: str
    key: str
    value: Any

    @property
    def place(self) -> str:
        """Where it stands, such as `data[3]`, `imgs[12]` or `[7]`; half a surrogate pair is escaped."""
        return f"{self.section}[{self.key}]".encode("utf-8", "backslashreplace").decode()


def elements(path: Path, inside: str = "", forms: str = "a JSON document is read") -> Iterator[Element]:
    """Yield the elements of a JSON file in order.

    Objects in a list that have a list under the key `inside` are not handed over themselves: the elements of that list
    are, one at a time, as those of a section such as `data[0].paragraphs`. A published file may hold all it has in one.
    `forms` says what is read, for a file of another form.

    Raises SourceError for a file that can not be opened, is not UTF-8, or is not JSON, with the line and the character;
    elements before the fault have been handed over by then.
    """
    return _read(path, lambda reader: reader.elements(inside, forms))


def members(path: Path) -> Iterator[Element]:
    """Yield the members, whole, of a JSON file that holds one object; their section is "". Raises SourceError."""
    return _read(path, _Reader.members)


def _read(path: Path, take: Callable[[_Reader], Iterator[Element]]) -> Iterator[Element]:
    if path.is_file() and (found := stand_in_at(path)) is not None:  # a pipe's beginning can be read once
        raise SourceError(path, "", str(found))
    try:
        with open(path, encoding="utf-8-sig") as stream:
            reader = _Reader(path, stream)
            yield from take(reader)
            reader.demand_end()
    except OSError as error:
        raise SourceError(path, "", f"can not be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise SourceError(path, "", f"is not UTF-8 ({error.reason}); save it as UTF-8") from error


class _Reader:
    """A window on the text: `buffer[position:]` is what has been read and not yet taken."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self.path = path
        self.stream = stream
        self.buffer = ""
        self.position = 0
        self.lines = 1  # number of the line that the buffer begins in
        self.characters = 0  # of that line, before the buffer
        # Whatever is not finite is no JSON; the decoder's own error names no place.
        self.decoder = json.JSONDecoder(parse_constant=self._refuse_constant)

    def elements(self, inside: str = "", forms: str = "") -> Iterator[Element]:
        first = self._peek()
        if first == "[":
            yield from self._list("", inside)
        elif first == "{":
            for section in self._keys():
                opening = self._peek()
                if opening == "[":
                    yield from self._list(section, inside)
                elif opening == "{":
                    for name in self._keys():
                        yield Element(section, name, self._value())
                else:
                    yield Element(section, "", self._value())
        else:
            begins = self.buffer[self.position : self.position + QUOTED].partition("\n")[0].rstrip()
            what = f"it begins with {quote(begins)}" if begins else "the file is empty"
            raise SourceError(self.path, self._place(self.position), f"not JSON from here on, {what}; {forms}")

    def members(self) -> Iterator[Element]:
        if self._peek() != "{":
            raise self._error("an object is expected")
        for name in self._keys():
            yield Element("", name, self._value())

    def demand_end(self) -> None:
        if self._peek() != "":
            raise SourceError(
                self.path,
                self._place(self.position),
                "there is text after the document's end; if each line is a document, call the file .jsonl",
            )

    def _list(self, section: str, inside: str = "") -> Iterator[Element]:
        self.position += 1
        if self._peek() == "]":
            self.position += 1
            return
        index = 0
        while True:
            if inside and self._peek() == "{":
                yield from self._object(section, str(index), inside)
            else:
                yield Element(section, str(index), self._value())
            index += 1
            if not self._goes_on("]"):
                return

    def _object(self, section: str, index: str, inside: str) -> Iterator[Element]:
        """Yield the elements of the list under the key `inside`, or else the object as a whole."""
        members: dict[str, Any] = {}
        entered = False
        for key in self._keys():
            if key == inside and self._peek() == "[":
                entered = True
                yield from self._list(f"{section}[{index}].{inside}")
            else:
                members[key] = self._value()
        if not entered:
            yield Element(section, index, members)

    def _keys(self) -> Iterator[str]:
        """Yield the keys of the object that begins here, the position being at each one's value meanwhile."""
        self.position += 1
        if self._peek() == "}":
            self.position += 1
            return
        while True:
            if self._peek() != '"':
                raise self._error("a key in quotes is expected")
            key = self._value()
            if self._peek() != ":":
                raise self._error("':' is expected")
            self.position += 1
            yield key
            if not self._goes_on("}"):
                return

    def _goes_on(self, end: str) -> bool:
        mark = self._peek()
        if mark not in (",", end) or not mark:
            raise self._error(f"',' or '{end}' is expected")
        self.position += 1
        return mark == ","

    def _peek(self) -> str:
        """The next character that is no space, not taken; "" at the end."""
        while True:
            while self.position < len(self.buffer):
                if self.buffer[self.position] not in SPACE:
                    return self.buffer[self.position]
                self.position += 1
            if not self._read_on():
                return ""

    def _value(self) -> Any:
        if self._peek() == "":
            raise self._error("a value is expected")
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.position)
            except json.JSONDecodeError as error:
                # A value that is cut off fails at the buffer's end; a string that is, at its beginning.
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self.buffer) - 16
                if not cut or not self._read_on():
                    raise self._error(error.msg, error.pos) from error
                continue
            except RecursionError as error:
                raise self._error("is nested too deeply") from error
            except ValueError as error:  # a number of more digits than Python converts, NaN
                raise self._error(number_problem(error)) from error
            # A number at the buffer's end might go on; "1.5e+" decodes as 1.5, two characters before the end.
            if not isinstance(value, int | float) or len(self.buffer) - end > 2 or not self._read_on():
                self.position = end
                return value

    def _read_on(self) -> bool:
        """Take in the next chunk, as long again as what is waiting; False, and nothing changed, if there is none."""
        chunk = self.stream.read(max(CHUNK_CHARACTERS, len(self.buffer) - self.position))
        if not chunk:
            return False
        taken = self.buffer[: self.position]
        self.lines += taken.count("\n")
        after_break = taken.rfind("\n")
        self.characters = len(taken) - after_break - 1 if after_break >= 0 else self.characters + len(taken)
        self.buffer, self.position = self.buffer[self.position :] + chunk, 0
        return True

    def _refuse_constant(self, name: str) -> float:
        raise ValueError(f"{name} is no JSON")

    def _error(self, problem: str, position: int | None = None) -> SourceError:
        place = self._place(self.position if position is None else position)
        return SourceError(self.path, place, f"not JSON from here on ({problem}); fetch the file again")

    def _place(self, position: int) -> str:
        before = self.buffer[:position]
        line = self.lines + before.count("\n")
        after_break = before.rfind("\n")
        character = len(before) - after_break if after_break >= 0 else self.characters + len(before) + 1
        return f"line {line}, character {character}"


def number_problem(error: ValueError) -> str:
    """What is wrong with a number that JSON's own reader refuses: NaN, or more digits than Python converts."""
    text = str(error)
    return text if text.endswith("is no JSON") else "a number has too many digits"
