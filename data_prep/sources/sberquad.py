"""SberQuAD: Russian Wikipedia passages, questions, spans. In: its published files. Out: TextQA samples.

Four forms of file are read: nested SQuAD JSON (`{"data": [{"paragraphs": [{"context", "qas"}]}]}`), a list or lines of
paragraphs (`{"context", "id", "qas"}`), a table, Parquet or lines, of questions (`{"id", "title", "context",
"question", "answers": {"text", "answer_start"}}`), and the CSV of 2017 (`data_prep.sources.question_tables`). The same
question gives the same sample in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from contest.checking import described
from data_prep.cleaning import clean, find_span
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourceRecord
from data_prep.sources import question_tables
from data_prep.sources.reading import (
    FieldError,
    QuestionFiles,
    any_records,
    field_of,
    object_of,
    record_object,
    text_of,
    writable,
)
from data_prep.split import document_group
from data_prep.tasks import NO, YES, passage_claim, passage_question, rng_of

FORMS = (
    "JSON documents, JSON lines (.jsonl, .ndjson), Parquet (.parquet) and the tables of 2017 (.csv, .tsv) are read, "
    "told apart by their endings"
)


@dataclass(frozen=True)
class SberQuAD(QuestionFiles):
    """The data set."""

    name: ClassVar[str] = "sberquad"
    tasks: ClassVar[tuple[str, ...]] = ("textqa",)
    licence: ClassVar[str] = "Apache-2.0 as distributed with DeepPavlov; passages: Russian Wikipedia, CC BY-SA"

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream articles, paragraphs or questions, whichever the files hold."""
        for number, file in enumerate(self.files):
            if file.suffix.lower() in question_tables.ENDINGS:
                yield from question_tables.question_rows(file, scratch / f"questions{number}.sqlite")
                continue
            for record in any_records(file, inside="paragraphs", forms=FORMS):
                # `version` and the like stand beside `data` in the nested form.
                if isinstance(record.value, str | int | float) and record.place.endswith("[]"):
                    continue
                yield record

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make a sample of each question of the record."""
        try:
            value = record_object(record)
            paragraphs = _inside(value, "paragraphs", "")
        except FieldError as error:
            yield error.at(record)
            return
        for place, paragraph in paragraphs:
            yield from self._paragraph(record, place, paragraph)

    def _paragraph(self, record: SourceRecord, place: str, paragraph: Any) -> Iterator[ConversionResult]:
        try:
            context = text_of(object_of(paragraph, "the paragraph"), "context", lambda text: text)
            passage = clean(context)
            if not passage:
                raise FieldError(SkipReason.EMPTY_TEXT, '"context"')
            questions = _inside(paragraph, "qas", place)
        except FieldError as error:
            yield error.at(record, place)
            return
        group = document_group(passage)
        for where, question in questions:
            try:
                yield (self._sample(context, passage, group, object_of(question, "the question")),)
            except FieldError as error:
                named = question.get("id") if isinstance(question, dict) else None
                yield error.at(record, where if named is None else f"{where} (id {named})")

    def _sample(self, context: str, passage: str, group: str, question: dict[str, Any]) -> ConvertedSample:
        asked = text_of(question, "question", clean)
        answers = tuple(dict.fromkeys(_spans(context, passage, question)))
        rng = rng_of(self.seed, self.name, group, asked)
        content = f"{passage}\n{asked}"
        if self.variants and rng.random() < self.variants:
            holds = rng.random() < 0.5
            offered = answers[0] if holds else _other_span(rng.random(), passage, answers)
            if offered is not None:
                items = passage_claim(rng, passage, asked, offered)
                return ConvertedSample("textqa", group, "claim", items, YES if holds else NO, f"{content}\n{offered}")
        return ConvertedSample("textqa", group, "span", passage_question(rng, passage, asked), answers, content)


def _inside(value: dict[str, Any], key: str, place: str) -> list[tuple[str, Any]]:
    """The elements of the list under a key, each with its place; the object itself where it has no such key."""
    if key not in value:
        return [(place, value)]
    return [(f"{place}.{key}[{i}]", element) for i, element in enumerate(field_of(value, key, list))]


def _spans(context: str, passage: str, question: dict[str, Any]) -> list[str]:
    """The answers as the passage writes them. Raises FieldError: UNANSWERED, ANSWER_ABSENT and those of its fields."""
    if "answers" not in question:
        raise FieldError(SkipReason.FIELD_MISSING, 'no "answers"')
    given = _pairs(question["answers"])
    if not any(text.strip() for text, _ in given):
        raise FieldError(SkipReason.UNANSWERED, "")
    spans = []
    for text, start in given:
        # Where the offset is right it says which letters are meant, to the invisible ones.
        exact = start is not None and start >= 0 and context[start : start + len(text)] == text
        answer = clean(text)
        span = answer if exact and answer in passage else find_span(passage, answer)
        if span:
            spans.append(span)
    if not spans:
        raise FieldError(SkipReason.ANSWER_ABSENT, repr(given[0][0][:60]))
    return spans


def _pairs(answers: Any) -> list[tuple[str, int | None]]:
    """(text, offset) of answers in either published form: an object of two lists, or a list of objects."""
    if isinstance(answers, dict):
        texts = field_of(answers, "text", list)
        starts = field_of(answers, "answer_start", list) if "answer_start" in answers else [None] * len(texts)
        if len(starts) != len(texts):
            raise FieldError(SkipReason.FIELD_TYPE, '"text" and "answer_start" have different lengths')
        pairs = list(zip(texts, starts, strict=True))
    elif isinstance(answers, list):
        pairs = [
            (field_of(object_of(answer, "an answer"), "text", str), answer.get("answer_start")) for answer in answers
        ]
    else:
        raise FieldError(SkipReason.FIELD_TYPE, f'"answers" is {described(answers)}')
    for text, start in pairs:
        if not isinstance(text, str) or isinstance(start, bool) or not isinstance(start, int | None):
            raise FieldError(SkipReason.FIELD_TYPE, "an answer's text or offset is of the wrong type")
        writable(text)
    return pairs


def _other_span(place: float, passage: str, answers: Sequence[str]) -> str | None:
    """As many words as the answer has, from elsewhere in the passage; None if it has too few."""
    words = passage.split(" ")
    length = len(answers[0].split(" "))
    starts = range(len(words) - length + 1)
    folded = [answer.lower() for answer in answers]
    for step in range(len(starts)):
        start = starts[(int(place * len(starts)) + step) % len(starts)]
        span = " ".join(words[start : start + length]).strip(' .,;:!?()«»"—-')
        if span and not any(span.lower() in answer or answer in span.lower() for answer in folded):
            return span
    return None
