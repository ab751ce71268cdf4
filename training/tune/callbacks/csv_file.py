"""The tables that a run writes row by row: appended to without halves of rows, and read again."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from contest.console import Cell, csv_row
from errors import UserError


def append(path: Path, data: bytes) -> None:
    """Append all of `data`, or nothing; a file that is not there is made.

    Raises OSError (a full disk, say); what stood in the file stays.
    """
    with path.open("ab", buffering=0) as stream:
        before, rest = os.fstat(stream.fileno()).st_size, memoryview(data)
        try:
            while rest:
                rest = rest[stream.write(rest) :]
        except OSError:
            stream.truncate(before)
            raise


def csv_lines(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Return rows as the lines of a CSV file; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(csv_row(row) for row in rows)
    return text.getvalue().encode()


def read_rows(data: bytes, what: str, header: Sequence[str], error: Callable[[str], UserError]) -> list[list[str]]:
    """Return the rows below the header. A last line that a kill cut short is left out.

    Raises what `error` makes of the problem where the data are no log of `what`, or have other columns.
    """
    try:
        found = list(csv.reader(data.decode("utf-8").split("\n")[:-1]))
    except UnicodeDecodeError as problem:
        raise error(f"no log of {what}: byte {problem.start} is not UTF-8") from problem
    except csv.Error as problem:
        raise error(f"no log of {what}: {problem}") from problem
    if not found or found[0] != list(header):
        raise error(f"line 1: the columns are not {', '.join(header)}")
    return found[1:]
