"""Reads tables of text as they are published: commas, semicolons, tabs, bars or spaces, quoted or not.

Which of them a file has is seen from its first rows, by what whoever asks expects of a first row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from data_prep.records import SourceError

ENDINGS = (".csv", ".tsv", ".txt")
LOOKED_AT = 20  # rows that the form is told by
LONGEST_CELL = 1 << 24  # characters
SPACE = " "
_MARKS = (",", ";", "\t", "|")
# A picture's name, which may have spaces in it; after a space, a colon or a comma its text, which may have some too.
_NAMED = re.compile(
    r'\s*(?:"([^"]+)"|(.*?\.(?:jpe?g|png|bmp|gif|tiff?|webp|ppm)))(?:\s*[:,;]\s+|\s+)(.*)', re.IGNORECASE | re.DOTALL
)
_TWO_WORDS = re.compile(r"\s*(\S+)\s+(.*)", re.DOTALL)


class TableRow(NamedTuple):
    """A row that is not empty, and the number of the line that it ends in."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class TableForm:
    """How a table is written: what stands between two cells, whether cells may be quoted, also after a space."""

    mark: str
    quoted: bool
    spaced: bool


def form_of(
    file: Path, is_first: Callable[[list[str]], bool], native: str = "", *, spaces: bool = False
) -> TableForm | None:
    """The form under which the table's first row is one that is expected; None if there is none.

    `native` is the mark that is tried first: that of the file's ending if it is left out. `spaces`: whether a space may
    stand between two cells. Raises SourceError.
    """
    native = native or ("," if file.suffix.lower() == ".csv" else "\t")
    marks = (native, *(other for other in _MARKS if other != native), *((SPACE,) if spaces else ()))
    with _text(file) as stream:
        head = list(islice((line for line in stream if line.strip()), LOOKED_AT))
        for mark in marks:
            form = TableForm(mark, mark != "\t", any(f'{mark} "' in line for line in head))
            if is_first(next(_cells(iter(head), form), TableRow(0, [])).cells):
                return form
    return None


def rows(file: Path, form: TableForm) -> Iterator[TableRow]:
    """Yield the rows of a table in UTF-8. Raises SourceError."""
    with _text(file) as stream:
        yield from _cells(stream, form)


def column(name: str) -> str:
    """A column's name as names are compared: in lower case, its words joined by one low line."""
    return "_".join(name.replace("-", " ").replace("_", " ").lower().split())


def _cells(lines: Iterator[str] | TextIO, form: TableForm) -> Iterator[TableRow]:
    if form.mark == SPACE:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield TableRow(number, _spaced(line.strip("\r\n")))
        return
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(
        lines,
        delimiter=form.mark,
        quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
        skipinitialspace=form.spaced,
    )
    for row in reader:
        if any(cell.strip() for cell in row):
            yield TableRow(reader.line_num, row)


def _spaced(line: str) -> list[str]:
    found = _NAMED.fullmatch(line)
    if found is not None:
        quoted, name, text = found.groups()
        whole = quoted is not None and len(text) > 1 and text[0] == text[-1] == '"'
        return [quoted or name, text[1:-1] if whole else text]
    words = _TWO_WORDS.fullmatch(line)
    return [line] if words is None else list(words.groups())


@contextmanager
def _text(file: Path) -> Iterator[TextIO]:
    """Open a file as text; what goes wrong with it, now or later, becomes SourceError."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise SourceError(file, "", f"is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise SourceError(file, "", f"is no table that can be read: {error}") from error
    except OSError as error:
        raise SourceError(file, "", f"can not be read: {error.strerror}; check the path") from error
