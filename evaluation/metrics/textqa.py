"""TextQA: token F1 of an answer against its references."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from evaluation.metrics.answers import score_strict
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.normalisation import (
    MAX_CACHED,
    lemma_or_word,
    official_form,
    official_words,
    spaced_words,
    strict_form,
)
from evaluation.metrics.numerals import FIRST_NUMERALS, fold_numerals, has_later_numeral
from evaluation.metrics.text_to_text import (
    AnswerDetails,
    TextToTextMetric,
    replacement_letter,
    right_marker,
    score_official,
)

_MARK = re.compile(r"[^\w\s]|_")

REPLACED_UP_TO = 0.5
"""The organisers' scripts replace an answer whose best F1 is at most this (defect 10)."""


def _f1_of_words(answered: list[str], expected: list[str]) -> float:
    """Return F1 between the multisets of two normal forms' words, `2PR / (P + R)`; 0 where one has none.

    >>> _f1_of_words("старый маяк у море".split(), "старый маяк".split())
    0.6666666666666666
    """
    distinct = set(answered)
    common = len(distinct.intersection(expected))
    if not common:
        return 0.0
    if len(distinct) < len(answered):
        common = (Counter(answered) & Counter(expected)).total()
    precision, recall = common / len(answered), common / len(expected)
    return 2 * precision * recall / (precision + recall)


def _best_f1(answer: str, references: Sequence[str]) -> float:
    if answer in references:
        return 1.0
    words = answer.split()
    return max([_f1_of_words(words, reference.split()) for reference in references])


def official_details(answer: str, references: Sequence[str]) -> AnswerDetails:
    """Score an answer as the organisers' script does.

    Where no reference reaches an F1 above 0.5, the answer's first Latin letter from a to e replaces the answer and
    the score, for better or worse (defect 10). Raises ValueError without references.

    >>> official_details("b) на поезде", ["b", "на поезде", "b на поезде"]).score
    1.0
    >>> official_details("Tesla", ["компания Tesla Motors"])
    AnswerDetails(score=0.0, answer_form='tesla', reference_forms=('компания tesla motors',), own_score=0.5, letter='e')
    """
    return _replacing(answer, official_form(answer), tuple(official_form(reference) for reference in references))


def strict_details(answer: str, references: Sequence[str]) -> AnswerDetails:
    """Score an answer by the rules; an option marker at its start counts as the marker, where that is better.

    Raises ValueError without references.

    >>> strict_details("Tesla", ["компания Tesla Motors"]).score
    0.5
    >>> strict_details("B) на лодке", ["b", "на поезде", "b на поезде"]).letter
    'b'
    """
    answer_form = strict_form(answer)
    reference_forms = tuple(strict_form(reference) for reference in references)
    f1 = _best_f1(answer_form, reference_forms)
    letter = right_marker(answer, reference_forms) if f1 < 1 else None
    return AnswerDetails(f1 if letter is None else 1.0, answer_form, reference_forms, f1, letter)


def score_cases(cases: Sequence[Case], mode: Mode) -> tuple[list[float], list[Note]]:
    """Score cases in ground-truth order, by `score_official` or, in mode `strict`, by `score_strict`.

    Raises AttemptAbortedError in mode `official`, if an answer is missing (defect 3).
    """
    if mode == "official":
        return score_official(cases, official_details, _affected_by, reads_empty_values=True)
    return score_strict(cases, lambda answer, references: strict_details(answer, references).score)


def _replacing(answer: str, answer_form: str, reference_forms: tuple[str, ...]) -> AnswerDetails:
    f1 = _best_f1(answer_form, reference_forms)
    letter = replacement_letter(answer) if f1 <= REPLACED_UP_TO else None
    score = f1 if letter is None else _best_f1(letter, reference_forms)
    return AnswerDetails(score, answer_form, reference_forms, f1, letter)


def _affected_by(answer: str, references: Sequence[str], details: AnswerDetails) -> Iterator[tuple[int, str]]:
    """Name the defects but for which the answer would have another score: each is corrected alone, and scored again."""
    if details.letter is not None and details.score != details.own_score:
        yield (
            10,
            f"F1 {details.own_score:.3g} became {details.score:.3g}: the letter {details.letter!r} replaced the answer",
        )
    texts = (answer, *references)
    if any(map(_splits_otherwise, texts)):
        corrected = _replacing(answer, _spaced_form(answer), tuple(_spaced_form(reference) for reference in references))
        if corrected.score != details.score:
            yield 7, f"with a space in the place of all punctuation the score would be {corrected.score:.3g}"
    forms = (details.answer_form, *details.reference_forms)
    if any(map(has_later_numeral, forms)):
        folded = [" ".join(fold_numerals(form.split())) for form in forms]
        corrected = _replacing(answer, folded[0], tuple(folded[1:]))
        if corrected.score != details.score:
            yield 9, f"with all numerals as digits the score would be {corrected.score:.3g}"


@lru_cache(maxsize=MAX_CACHED)
def _splits_otherwise(text: str) -> bool:
    return _MARK.search(text) is not None and official_words(text) != spaced_words(text)


@lru_cache(maxsize=MAX_CACHED)
def _spaced_form(text: str) -> str:
    return " ".join(FIRST_NUMERALS.get(word, word) for word in map(lemma_or_word, spaced_words(text)))


class TextQA(TextToTextMetric):
    """Mean token F1 over the ground truth's ids."""

    name = "textqa"

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases as the function of this name does, in this metric's mode."""
        return score_cases(cases, self.mode)
