"""MathQA: exact match of an answer with one of its references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evaluation.metrics.answers import score_strict
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.normalisation import number_form, official_form
from evaluation.metrics.numerals import fold_numerals, has_later_numeral
from evaluation.metrics.text_to_text import (
    AnswerDetails,
    TextToTextMetric,
    replacement_letter,
    right_marker,
    score_official,
)

_DIGIT = re.compile(r"\d")
# Words, and integers that are written with their sign or none: the organisers' form has nothing to spoil here.
_PLAIN = re.compile(r"(?:(?:-?[0-9]+|[^\W\d_]+)[.)]?(?: +|$))*")


def official_details(answer: str, references: Sequence[str]) -> AnswerDetails:
    """Score an answer as the organisers' script does.

    Where no reference matches, the answer's first Latin letter from a to e replaces the answer (defect 10).

    >>> official_details("35", ["b", "3.5", "b 3.5"]).score
    1.0
    >>> official_details("d) 5", ["d", "-3", "d -3"])
    AnswerDetails(score=1.0, answer_form='d 5', reference_forms=('d', '-3', 'd -3'), own_score=0.0, letter='d')
    """
    forms = tuple(official_form(reference, keep="-") for reference in references)
    return _replacing(answer, official_form(answer, keep="-"), forms)


def strict_details(answer: str, references: Sequence[str]) -> AnswerDetails:
    """Score an answer by the rules: numbers are compared as numbers.

    An option marker at the answer's start counts as the marker, unless the value beside it is a number: an answer
    that names the right option and a wrong value is not the reference.

    >>> strict_details("− 3,50", ["d", "-7/2", "d -7/2"]).score
    1.0
    >>> strict_details("D) не знаю", ["d", "-3", "d -3"]).score, strict_details("d) 5", ["d", "-3", "d -3"]).score
    (1.0, 0.0)
    """
    answer_form = number_form(answer)
    forms = tuple(number_form(reference) for reference in references)
    is_match = answer_form in forms
    names_a_number = _DIGIT.search(answer_form) is not None
    letter = None if is_match or names_a_number else right_marker(answer, forms)
    return AnswerDetails(float(is_match or letter is not None), answer_form, forms, float(is_match), letter)


def score_cases(cases: Sequence[Case], mode: Mode) -> tuple[list[float], list[Note]]:
    """Score cases in ground-truth order, by `score_official` or, in mode `strict`, by `score_strict`.

    Raises AttemptAbortedError in mode `official`, if an answer is missing (defect 3).
    """
    if mode == "official":
        return score_official(cases, official_details, _affected_by)
    return score_strict(cases, lambda answer, references: strict_details(answer, references).score)


def _replacing(answer: str, answer_form: str, reference_forms: tuple[str, ...]) -> AnswerDetails:
    is_match = answer_form in reference_forms
    letter = None if is_match else replacement_letter(answer)
    score = float(is_match or letter in reference_forms)
    return AnswerDetails(score, answer_form, reference_forms, float(is_match), letter)


def _affected_by(answer: str, references: Sequence[str], details: AnswerDetails) -> Iterator[tuple[int, str]]:
    """Name the defects but for which the answer would have another score: each is corrected alone, and scored again."""
    if details.score and not details.own_score:
        yield 10, f"the letter {details.letter!r} replaced the answer, and matched"
    forms = (details.answer_form, *details.reference_forms)
    if any(map(has_later_numeral, forms)):
        folded = [" ".join(fold_numerals(form.split())) for form in forms]
        corrected = _replacing(answer, folded[0], tuple(folded[1:]))
        if corrected.score != details.score:
            yield 9, f"with all numerals as digits the score would be {corrected.score:.3g}"
            return
    if all(_PLAIN.fullmatch(text) for text in (answer, *references)):
        return
    corrected = _replacing(answer, number_form(answer), tuple(number_form(reference) for reference in references))
    if corrected.score != details.score:
        if _DIGIT.search(answer) or any(map(_DIGIT.search, references)):
            yield 8, f"with numbers compared as numbers the score would be {corrected.score:.3g}"
        else:
            yield 7, f"with a space in the place of all punctuation the score would be {corrected.score:.3g}"


class MathQA(TextToTextMetric):
    """Share of exact matches over the ground truth's ids."""

    name = "mathqa"

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases as the function of this name does, in this metric's mode."""
        return score_cases(cases, self.mode)
