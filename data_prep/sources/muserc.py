"""MuSeRC (Russian SuperGLUE): passages, questions, answers marked true or false. In: its files. Out: TextQA samples.

    {"idx": 0, "passage": {"text": "(1) ... (2) ...", "questions": [
        {"idx": 0, "question": "...", "answers": [{"idx": 0, "text": "...", "label": 1}, ...]}, ...]}}

or the same with `text` and `questions` at the top, as JSON lines; or Parquet with a row for each answer (`paragraph`,
`question`, `answer`, `label`, `idx`), the answers of a question one after the other. A question gives a sample with a
free answer, all of whose true answers are references, and one with options: a true answer and up to three false ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from data_prep.cleaning import clean, fold
from data_prep.records import ConversionResult, ConvertedSample, SkippedRecord, SkipReason, SourceRecord
from data_prep.sources.reading import (
    PARQUET,
    FieldError,
    QuestionFiles,
    any_records,
    field_of,
    object_of,
    parquet_rows,
    record_object,
    text_of,
)
from data_prep.split import document_group
from data_prep.tasks import NO, YES, options_of, passage_claim, passage_question, rng_of

MOST_FALSE = 3
TRUE, FALSE, HIDDEN = 1, 0, -1
_MARK = re.compile(r"\((\d{1,6})\)\s*")


@dataclass(frozen=True)
class MuSeRC(QuestionFiles):
    """The data set; a variant is one sample more."""

    name: ClassVar[str] = "muserc"
    tasks: ClassVar[tuple[str, ...]] = ("textqa",)
    licence: ClassVar[str] = "MIT"

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream passages with their questions."""
        for file in self.files:
            yield from _questions(parquet_rows(file)) if file.suffix.lower() == PARQUET else any_records(file)

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make up to three samples of each question of a passage."""
        try:
            value = record_object(record)
            holder = object_of(value["passage"], '"passage"') if "passage" in value else value
            passage = clean(without_marks(text_of(holder, "text")))
            questions = field_of(holder, "questions", list)
        except FieldError as error:
            yield error.at(record)
            return
        group = document_group(passage)
        for place, question in enumerate(questions):
            try:
                yield self._samples(passage, group, object_of(question, "the question"))
            except FieldError as error:
                yield error.at(record, f", question {place}")

    def _samples(self, passage: str, group: str, question: dict[str, Any]) -> tuple[ConvertedSample, ...]:
        asked = text_of(question, "question", clean)
        true, false = _answers(question)
        rng = rng_of(self.seed, self.name, group, asked)
        content = f"{passage}\n{asked}"
        made = [ConvertedSample("textqa", group, "free answer", passage_question(rng, passage, asked), true, content)]
        if false:
            offered = rng.sample(false, min(MOST_FALSE, len(false)))
            options = options_of(rng, rng.choice(true), offered)
            if options is not None:
                text, answers = options
                items = passage_question(rng, passage, asked, text)
                made.append(ConvertedSample("textqa", group, "options", items, answers, content + text))
        if self.variants and rng.random() < self.variants:
            made.append(_claim(rng, passage, group, asked, true, false))
        return tuple(made)


def _questions(rows: Iterator[SourceRecord]) -> Iterator[SourceRecord]:
    """Put rows of one question after the other together again, in the nested form."""
    asked = groupby(rows, lambda row: (row.value.get("paragraph"), row.value.get("question")))
    for (paragraph, question), answers in asked:
        same = list(answers)
        given = [
            {"text": row.value.get("answer"), **({"label": row.value["label"]} if "label" in row.value else {})}
            for row in same
        ]
        value = {"text": paragraph, "questions": [{"question": question, "answers": given}]}
        yield SourceRecord(same[0].file, same[0].place, value)


def _claim(
    rng: random.Random, passage: str, group: str, asked: str, true: Sequence[str], false: Sequence[str]
) -> ConvertedSample:
    holds = not false or rng.random() < 0.5
    answer = rng.choice(true if holds else false)
    items = passage_claim(rng, passage, asked, answer)
    return ConvertedSample("textqa", group, "claim", items, YES if holds else NO, f"{passage}\n{asked}\n{answer}")


def _answers(question: dict[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    """True and false answers, each once; a false one that is a true one but for case or ё is left out.

    Raises FieldError: UNANSWERED (labels of a test set), NO_TRUE_ANSWER, LABEL_UNKNOWN and those of the fields.
    """
    by_label: dict[int, dict[str, str]] = {TRUE: {}, FALSE: {}, HIDDEN: {}}
    for answer in field_of(question, "answers", list):
        answer = object_of(answer, "an answer")
        text = text_of(answer, "text", lambda found: clean(found).rstrip(" .;"))
        label = HIDDEN if answer.get("label") is None and "label" not in answer else field_of(answer, "label", int)
        if label not in by_label:
            raise FieldError(SkipReason.LABEL_UNKNOWN, str(label))
        by_label[label].setdefault(fold(text), text)
    if by_label[HIDDEN]:
        raise FieldError(SkipReason.UNANSWERED, "")
    if not by_label[TRUE]:
        raise FieldError(SkipReason.NO_TRUE_ANSWER, "")
    false = [text for folded, text in by_label[FALSE].items() if folded not in by_label[TRUE]]
    return tuple(by_label[TRUE].values()), false


def without_marks(text: str) -> str:
    """The text without its sentence numbers "(1)", "(2)", ...; other numbers in brackets, out of turn, stay."""
    expected = 1

    def replace(match: re.Match[str]) -> str:
        nonlocal expected
        if int(match[1]) != expected:
            return match[0]
        expected += 1
        return ""

    return _MARK.sub(replace, text)
