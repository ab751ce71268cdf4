"""The way from cases to METEOR scores that VisualQA and captioning share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from evaluation.metrics import answers
from evaluation.metrics.answers import (
    ScriptError,
    official_answer,
    official_references,
    require_every_answer,
)
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.meteor import Alignment
from evaluation.metrics.normalisation import NoLemmaError


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


Judge: TypeAlias = Callable[[str, Sequence[str]], TextComparison | None]
"""Compares an answer with its references; returns the first comparison with the highest score, None without any."""


def first_best(bounds: Sequence[float], compare: Callable[[int], TextComparison]) -> TextComparison | None:
    """Return the first comparison with the highest score, None without any.

    Args:
        bounds: what the score with each reference is at most; the most promising one is compared first, and those
            that can not be better than what was found are left out.
        compare: compares the answer with the reference at a place.

    """
    best: TextComparison | None = None
    first = 0
    for place in _most_promising_first(bounds):
        if best is not None:
            if bounds[place] < best.score:
                break
            if bounds[place] == best.score and place > first:
                continue
        found = compare(place)
        if best is None or found.score > best.score or (found.score == best.score and place < first):
            best, first = found, place
    return best


def highest_score(bounds: Sequence[float], score: Callable[[int], float]) -> float:
    """Return the highest score (at least 0), where `bounds` are what those with each reference are at most."""
    best = 0.0
    for place in _most_promising_first(bounds):
        if bounds[place] <= best:
            break
        best = max(best, score(place))
    return best


def _most_promising_first(bounds: Sequence[float]) -> Iterable[int]:
    return (0,) if len(bounds) == 1 else sorted(range(len(bounds)), key=bounds.__getitem__, reverse=True)


def score_official(
    cases: Sequence[Case],
    judge: Judge,
    affected_by: Callable[[str, Sequence[str], TextComparison], Iterable[tuple[int, str]]],
    text_of: Callable[[Any], str],
) -> tuple[list[float], list[Note]]:
    """Score cases as the organisers' scripts do.

    Args:
        cases: all cases, in ground-truth order.
        judge: see `Judge`; may raise NoLemmaError.
        affected_by: names the defects, with a message each, that gave the answer another score than it deserves, from
            the answer, the references and the best comparison.
        text_of: makes a text of the content that an unsound answer has; may raise ScriptError.

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
            text = text_of(answer.text)
            references, reference_notes = _official_references(case)
            best = judge(text, references)
        except (ScriptError, NoLemmaError) as error:
            defect = error.defect if isinstance(error, ScriptError) else 1
            raise AttemptAbortedError(str(error), sample_id=case.id, defect=defect) from error
        notes += [*answer.notes, *reference_notes]
        scores.append(0.0 if best is None else best.score)
        if best is not None:
            notes += [Note(case.id, defect, message) for defect, message in affected_by(text, references, best)]
    return scores, notes


def score_strict(cases: Sequence[Case], judge: Judge) -> tuple[list[float], list[Note]]:
    """Score cases by the rules, as `answers.score_strict` does."""

    def score(answer: str, references: Sequence[str]) -> float:
        best = judge(answer, references)
        return 0.0 if best is None else best.score

    return answers.score_strict(cases, score)


def _has_no_items(case: Case) -> bool:
    if case.unsound is not None:
        return isinstance(case.unsound.value, list | dict | str) and not case.unsound.value
    return case.answer is not None and not case.answer.items


def _official_references(case: Case) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """As `official_references`, but for an empty string: no characters are no references, which scores 0 here."""
    first = case.truth.items[0]
    if first.is_bare_string and not first.contents[0] and not case.truth.is_bare_item:
        return (), (Note(case.id, 5, "the reference is an empty string, which leaves no references: scored 0"),)
    return official_references(case)
