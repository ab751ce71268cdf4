"""Streams the elements of a JSON document of any size, one at a time.

A document is taken as a list, or as an object of lists, objects and plain values: each element or member of those is
handed over by itself, so that memory holds one element and a buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from contest.errors import quote
from contest.json_stream import JSONPlace, JSONReader, NotJSONError
from contest.stand_ins import stand_in_at
from data_prep.records import SourceError

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
    return _read(path, lambda document: document.elements(inside, forms))


def members(path: Path) -> Iterator[Element]:
    """Yield the members, whole, of a JSON file that holds one object; their section is "". Raises SourceError."""
    return _read(path, _Elements.members)


def _read(path: Path, take: Callable[[_Elements], Iterator[Element]]) -> Iterator[Element]:
    if path.is_file() and (found := stand_in_at(path)) is not None:  # a pipe's beginning can be read once
        raise SourceError(path, "", str(found))
    try:
        with open(path, "rb") as stream:
            document = _Elements(path, JSONReader(stream))
            yield from take(document)
            document.require_end()
    except OSError as error:
        raise SourceError(path, "", f"can not be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise SourceError(path, "", f"is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except NotJSONError as error:
        problem = f"not JSON from here on ({error.problem}); fetch the file again"
        raise SourceError(path, _named(error.place), problem) from error


class _Elements:
    """What a document is made of, in order."""

    def __init__(self, path: Path, reader: JSONReader) -> None:
        self.path = path
        self.reader = reader

    def elements(self, inside: str = "", forms: str = "") -> Iterator[Element]:
        first = self.reader.peek()
        if first == "[":
            yield from self._list("", inside)
        elif first == "{":
            for section in self.reader.member_names():
                opening = self.reader.peek()
                if opening == "[":
                    yield from self._list(section, inside)
                elif opening == "{":
                    for name in self.reader.member_names():
                        yield Element(section, name, self._value())
                else:
                    yield Element(section, "", self._value())
        else:
            begins = self.reader.beginning(QUOTED).partition("\n")[0].rstrip()
            what = f"it begins with {quote(begins)}" if begins else "the file is empty"
            raise self._error(f"not JSON from here on, {what}; {forms}")

    def members(self) -> Iterator[Element]:
        if self.reader.peek() != "{":
            raise self._error("not JSON from here on (an object is expected); fetch the file again")
        for name in self.reader.member_names():
            yield Element("", name, self._value())

    def require_end(self) -> None:
        if self.reader.peek():
            raise self._error(
                "there is text after the document's end; if each line is a document, call the file .jsonl"
            )

    def _list(self, section: str, inside: str = "") -> Iterator[Element]:
        for index in self.reader.element_indices():
            if inside and self.reader.peek() == "{":
                yield from self._object(section, str(index), inside)
            else:
                yield Element(section, str(index), self._value())

    def _object(self, section: str, index: str, inside: str) -> Iterator[Element]:
        """Yield the elements of the list under the key `inside`, or else the object as a whole."""
        members: dict[str, Any] = {}
        entered = False
        for key in self.reader.member_names():
            if key == inside and self.reader.peek() == "[":
                entered = True
                yield from self._list(f"{section}[{index}].{inside}")
            else:
                members[key] = self._value()
        if not entered:
            yield Element(section, index, members)

    def _value(self) -> Any:
        self.reader.peek()
        place = self.reader.place()
        value = self.reader.value()
        if self.reader.not_finite:
            raise NotJSONError(f"{self.reader.not_finite[0]} is no JSON", place)
        return value

    def _error(self, problem: str) -> SourceError:
        return SourceError(self.path, _named(self.reader.place()), problem)


def _named(place: JSONPlace) -> str:
    return f"line {place.line}, character {place.column}"
