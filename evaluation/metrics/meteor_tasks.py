"""The way from cases to METEOR scores that VisualQA and captioning share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from evaluation.metrics import answers
from evaluation.metrics.answers import (
    ScriptError,
    official_answer,
    official_references,
    require_every_answer,
    require_printable_truth,
)
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.meteor import Alignment
from evaluation.metrics.normalisation import NoLemmaError
from evaluation.metrics.wordnet import NO_WORDNET, WordNet


@dataclass(frozen=True, slots=True)
class TextComparison:
    """How an answer was compared with one reference.

    Attributes:
        score: METEOR, or the proportion of two numbers.
        answer_form: the answer's normal form.
        reference_form: the reference's.
        answer_tokens: what was aligned of the answer.
        reference_tokens: what was aligned of the reference.
        alignment: which words were matched; None where two numbers were compared.

    """

    score: float
    answer_form: str
    reference_form: str
    answer_tokens: tuple[str, ...]
    reference_tokens: tuple[str, ...]
    alignment: Alignment | None


Compare: TypeAlias = Callable[[str, str], TextComparison]
"""Compares an answer with one reference."""


class MeteorMetric(TaskMetric):
    """What the metrics of VisualQA and captioning share beside TaskMetric.

    Args:
        mode: `official` or `strict`.
        wordnet: where synonyms come from.

    """

    def __init__(self, *, mode: Mode = "official", wordnet: WordNet = NO_WORDNET) -> None:
        super().__init__(mode=mode)
        self.wordnet = wordnet

    def mean_of_none(self) -> float:
        """Return NaN in mode `official`, as the organisers' script does; raise NothingToScoreError otherwise."""
        return math.nan if self.mode == "official" else super().mean_of_none()


def score_official(
    cases: Sequence[Case],
    compare: Compare,
    affected_by: Callable[[str, Sequence[str], TextComparison], Iterable[tuple[int, str]]],
    answer_text: Callable[[Any], str],
    reference_text: Callable[[Any], str] = str,
    *,
    reads_answer_first: bool = False,
) -> tuple[list[float], list[Note]]:
    """Score cases as the organisers' scripts do.

    Args:
        cases: all cases, in ground-truth order.
        compare: see `Compare`; may raise NoLemmaError. The first comparison with the highest score counts.
        affected_by: names the defects, with a message each, that gave the answer another score than it deserves, from
            the answer, the references and the best comparison.
        answer_text: makes a text of the content that an unsound answer has; may raise ScriptError, NoLemmaError.
        reference_text: makes one of what stands among the references; may raise ScriptError.
        reads_answer_first: whether the answer is read, and both are printed, before anything asks for references.

    Raises:
        AttemptAbortedError: where their scripts raise, or an answer is missing.

    """
    require_every_answer(cases)
    scores: list[float] = []
    notes: list[Note] = []
    for case in cases:
        if _has_no_items(case):
            scores.append(0.0)
            notes.append(Note(case.id, 2, "the answer has no items: scored 0"))
            continue
        try:
            answer = official_answer(case, None)
            # Without a text in the answer they look at no reference, whatever stands there.
            values, reference_notes = official_references(case, by_number=True) if answer.is_there else ((), ())
            text = ""
            if values or (reads_answer_first and answer.is_there):
                text = answer_text(answer.text)
            if reads_answer_first and answer.is_there:
                require_printable_truth(case)
            references = [reference_text(value) for value in values]
            comparisons = [compare(text, reference) for reference in references]
            best = max(comparisons, key=lambda one: one.score, default=None)
        except (ScriptError, NoLemmaError) as error:
            defect = error.defect if isinstance(error, ScriptError) else 1
            raise AttemptAbortedError(str(error), sample_id=case.id, defect=defect) from error
        notes += [*answer.notes, *reference_notes]
        scores.append(0.0 if best is None else best.score)
        if best is not None:
            notes += [Note(case.id, defect, message) for defect, message in affected_by(text, references, best)]
    return scores, notes


def score_strict(cases: Sequence[Case], compare: Compare) -> tuple[list[float], list[Note]]:
    """Score cases by the rules, as `answers.score_strict` does, by the best reference of each."""
    return answers.score_strict(
        cases, lambda answer, references: max(compare(answer, reference).score for reference in references)
    )


def _has_no_items(case: Case) -> bool:
    if case.unsound is not None:
        return isinstance(case.unsound.value, list | dict | str) and not case.unsound.value
    return case.answer is not None and not case.answer.items
