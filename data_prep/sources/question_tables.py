"""SberQuAD's first form, of the Sberbank Data Science Journey 2017: a table with a row for each answer.

    paragraph_id,question_id,paragraph,question,answer

Other names of the columns (`context`, `answers`) are known too, and a cell of answers as `{"text": [...], ...}`. Rows
of one question, wherever they stand, are put together: each is one more answer.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.gathering import Gathering
from data_prep.records import SkippedRecord, SkipReason, SourceError, SourceRecord
from data_prep.sources.reading import FieldError
from data_prep.tables import TableRow, column, form_of, rows

ENDINGS = (".csv", ".tsv")
PASSAGES = ("paragraph", "context", "passage", "text")
QUESTIONS = ("question",)
ANSWERS = ("answer", "answers", "answer_text")
IDS = ("question_id", "id")


def question_rows(file: Path, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
    """Stream the questions of a table in the form of records of the other tables. Raises SourceError.

    A table without answers, as of a test set, gives questions whose answers are blank.
    """
    form = form_of(file, lambda row: _place(row, PASSAGES) is not None and _place(row, QUESTIONS) is not None)
    if form is None:
        raise SourceError(
            file,
            "",
            "no row of columns' names is at its beginning; a table needs paragraph, question and answer (or context, "
            "question and answers)",
        )
    stream = rows(file, form)
    header = next(stream)
    places = {name: _place(header.cells, names) for name, names in _NAMES.items()}
    with Gathering(scratch) as gathering:
        for row in stream:
            place = f"line {row.line}"
            try:
                found = _cells(row, places, len(header.cells))
            except FieldError as error:
                yield SkippedRecord(str(file), place, error.skip_reason, error.detail)
                continue
            about = [place, found["context"], found["question"], found["id"]]
            key = hashlib.blake2b(json.dumps(about[1:3]).encode(), digest_size=16).hexdigest()
            gathering.put(key, about)
            gathering.add(key, place, found["answer"])
        for question in gathering.pictures():
            place, context, asked, number = question.about
            value = {"id": number, "context": context, "question": asked}
            try:
                value["answers"] = [answer for _, cell in question.entries for answer in _answers(cell)]
            except FieldError as error:
                yield SkippedRecord(str(file), place, error.skip_reason, error.detail)
                continue
            yield SourceRecord(str(file), place, value)


_NAMES = {"context": PASSAGES, "question": QUESTIONS, "answer": ANSWERS, "id": IDS}


def _place(row: list[str], names: tuple[str, ...]) -> int | None:
    found = [column(name) for name in row]
    return next((found.index(name) for name in names if name in found), None)


def _cells(row: TableRow, places: dict[str, int | None], width: int) -> dict[str, str]:
    """A row's cells by our names. Raises FieldError for a row that has not as many cells as the first."""
    if len(row.cells) != width:
        raise FieldError(SkipReason.FIELD_MISSING, f"{len(row.cells)} columns, the first row has {width}")
    return {name: "" if place is None else row.cells[place] for name, place in places.items()}


def _answers(cell: str) -> list[Any]:
    """The answers of a cell: a text; or the object that other forms have, as JSON or as Python writes it."""
    if not cell.lstrip().startswith("{"):
        return [{"text": cell}]
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
    texts = value.get("text") if isinstance(value, dict) else None
    if not isinstance(texts, list):
        raise FieldError(SkipReason.FIELD_TYPE, 'the answers are no text and no {"text": [...]}')
    starts = value.get("answer_start")
    starts = starts if isinstance(starts, list) and len(starts) == len(texts) else [None] * len(texts)
    return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
