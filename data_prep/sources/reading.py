"""Streams records out of published files: lines, JSON documents, Parquet tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from contest.checking import described
from contest.console import one_line
from contest.stand_ins import stand_in_at, stand_in_of_data
from data_prep.json_stream import elements
from data_prep.records import SkippedRecord, SkipReason, SourceError, SourceRecord
from errors import UserError

PARQUET_ROWS = 1024
MAX_LINE_BYTES = 64 << 20
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"
FORMS = "JSON documents, JSON lines (.jsonl, .ndjson) and Parquet (.parquet) are read, told apart by their endings"
Value = TypeVar("Value")


class FieldError(UserError):
    """A field of a record that can not be used: which reason, and which field."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason.meaning}: {detail}" if detail else reason.meaning)
        self.skip_reason = reason
        self.detail = detail

    @property
    def code_name(self) -> str:
        """The reason's name."""
        return self.skip_reason.name

    def at(self, record: SourceRecord, place: str = "") -> SkippedRecord:
        """The problem that it makes of a record, or of a place inside it."""
        return SkippedRecord(record.file, f"{record.place}{place}", self.skip_reason, self.detail)


@dataclass(frozen=True)
class QuestionFiles:
    """What the data sets of questions about texts share.

    Args:
        files: their files.
        seed: of the wording.
        variants: share of the questions that are asked in the manner of a hidden task ("Верно ли, что ...").

    """

    files: Sequence[Path]
    seed: int = 0
    variants: float = 0.0

    @property
    def settings(self) -> dict[str, object]:
        """What the output depends on."""
        return {"files": describe(self.files), "seed": self.seed, "variants": self.variants}


def describe(paths: Sequence[Path]) -> list[dict[str, object]]:
    """Names and sizes of files, for the card and for a restart to compare.

    Raises SourceError for a missing one, and for one in whose place something else lies.
    """
    described: list[dict[str, object]] = []
    for path in paths:
        try:
            described.append({"name": one_line(path.name), "bytes": path.stat().st_size})
        except OSError as error:
            raise SourceError(path, "", f"can not be read: {error.strerror}; check the path") from error
        require_data(path)
    return described


def require_data(path: Path) -> None:
    """Raise SourceError if something else lies in a file's place: a Git LFS pointer, a page of the web, nothing at all.

    What is no plain file, or can not be read, is left to whoever reads it.
    """
    if path.is_file() and (found := stand_in_at(path, stand_in_of_data)) is not None:  # a pipe can be read once
        raise SourceError(path, "", str(found))


def lines(path: Path) -> Iterator[SourceRecord]:
    """Yield a text file's lines as bytes without their end, empty ones left out. Raises SourceError."""
    name = str(path)
    try:
        with open(path, "rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) == MAX_LINE_BYTES:
                    raise SourceError(path, f"line {number}", f"longer than {MAX_LINE_BYTES} bytes; is it JSON lines?")
                if line := line.rstrip(b"\r\n"):
                    yield SourceRecord(name, f"line {number}", line)
    except OSError as error:
        raise SourceError(path, "", f"can not be read: {error.strerror}; check the path") from error


def parse_line(record: SourceRecord) -> Any:
    """The JSON value of a line. Raises FieldError (NOT_UTF8, NOT_JSON)."""
    try:
        return _DECODER.decode(record.value.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FieldError(SkipReason.NOT_UTF8, f"byte {error.start}") from error
    except RecursionError as error:
        raise FieldError(SkipReason.NOT_JSON, "nested too deeply") from error
    except json.JSONDecodeError as error:
        raise FieldError(SkipReason.NOT_JSON, str(error)) from error
    except ValueError as error:
        raise FieldError(SkipReason.NOT_JSON, "a number has more digits than are read") from error


def _refuse(name: str) -> float:
    raise FieldError(SkipReason.NOT_JSON, f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_elements(path: Path, inside: str = "", forms: str = "a JSON document is read") -> Iterator[SourceRecord]:
    """Yield the elements of a JSON document; the places are such as `data[3]`. Raises SourceError.

    `inside`, `forms`: see `data_prep.json_stream.elements`.
    """
    name = str(path)
    for element in elements(path, inside, forms):
        yield SourceRecord(name, element.place, element.value)


def parquet_rows(path: Path) -> Iterator[SourceRecord]:
    """Yield the rows of a Parquet file as dictionaries. Raises SourceError."""
    name = str(path)
    try:
        with pq.ParquetFile(path, memory_map=True) as table:
            number = 0
            for batch in table.iter_batches(PARQUET_ROWS):
                for row in _python_rows(path, number, batch):
                    yield SourceRecord(name, f"row {number}", row)
                    number += 1
    except (OSError, pa.ArrowException) as error:
        raise SourceError(path, "", f"is no Parquet file that can be read: {error}; fetch it again") from error


def _python_rows(path: Path, first: int, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError) as error:  # bytes that are no UTF-8, dates beyond what Python has
        where = f"rows {first} to {first + batch.num_rows - 1}"
        raise SourceError(path, where, f"hold a value that can not be read: {error}; fetch it again") from error


def any_records(path: Path, inside: str = "", forms: str = FORMS) -> Iterator[SourceRecord]:
    """Yield a file's records by its ending: .parquet rows, .jsonl lines (bytes), else elements of a JSON document.

    `inside`, `forms`: see `data_prep.json_stream.elements`.
    """
    if path.suffix.lower() == PARQUET:
        return parquet_rows(path)
    if path.suffix.lower() in JSON_LINES:
        return lines(path)
    return json_elements(path, inside, forms)


def object_of(value: Any, what: str) -> dict[str, Any]:
    """The value as an object. Raises FieldError."""
    if not isinstance(value, dict):
        raise FieldError(SkipReason.FIELD_TYPE, f"{what} is no object")
    return value


def record_object(record: SourceRecord) -> dict[str, Any]:
    """The object that a record is, or that its line holds. Raises FieldError."""
    return object_of(parse_line(record) if isinstance(record.value, bytes) else record.value, "the record")


def field_of(value: dict[str, Any], key: str, kind: type[Value]) -> Value:
    """A field of an object. Raises FieldError (FIELD_MISSING, FIELD_TYPE); true and false are of no type here."""
    if key not in value:
        raise FieldError(SkipReason.FIELD_MISSING, f'no "{key}"')
    content = value[key]
    if not isinstance(content, kind) or isinstance(content, bool):
        raise FieldError(SkipReason.FIELD_TYPE, f'"{key}" is {described(content)}')
    return content


def text_of(value: dict[str, Any], key: str, cleaned: Callable[[str], str] = str.strip) -> str:
    """A text field, cleaned. Raises FieldError, EMPTY_TEXT among its reasons."""
    text = cleaned(writable(field_of(value, key, str)))
    if not text:
        raise FieldError(SkipReason.EMPTY_TEXT, f'"{key}"')
    return text


def writable(text: str) -> str:
    """The text, if it can be written as UTF-8. Raises FieldError for half a surrogate pair (from a \\ud800 escape)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FieldError(SkipReason.NOT_UTF8, f"half a surrogate pair in {text[:60]!a}") from error
    return text


def id_of(value: dict[str, Any], key: str) -> str:
    """An identifier, a number or a string, as a string. Raises FieldError."""
    if isinstance(value.get(key), str):
        return writable(value[key])
    return str(field_of(value, key, int))
