"""The way from cases to scores that TextQA and MathQA share, and the option markers in their answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contest.checking import described
from evaluation.metrics.answers import (
    Answer,
    ScriptError,
    official_answer,
    require_every_answer,
    some_references,
)
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.errors import TRUTH_DEFECT
from evaluation.metrics.normalisation import LEMMAS, NoLemmaError


@dataclass(frozen=True, slots=True)
class AnswerDetails:
    """How a score came about: the normal forms, the score of the answer itself, and the letter that replaced it."""

    score: float
    answer_form: str
    reference_forms: tuple[str, ...]
    own_score: float
    letter: str | None


_FIRST_LETTER = re.compile("[a-e]")
_MARKER = re.compile(r"[\s(\[\"'«]*([a-z])(?![^\W_])")


def replacement_letter(answer: str) -> str | None:
    """Return the first Latin lower-case letter from a to e anywhere in the answer, as the organisers do (defect 10).

    >>> replacement_letter("Tesla"), replacement_letter("B"), replacement_letter("f")
    ('e', None, None)
    """
    letter = _FIRST_LETTER.search(answer)
    return letter[0] if letter else None


def right_marker(answer: str, reference_forms: Sequence[str]) -> str | None:
    """Return the option marker at the start of an answer if some reference is just that letter, None otherwise.

    A marker is one Latin letter of any case that stands alone.

    >>> [right_marker(answer, ["b", "f", "t"]) for answer in ("B) на поезде", "(f)", "Tesla", "это b", "c)")]
    ['b', 'f', None, None, None]
    """
    marker = _MARKER.match(answer.lower())
    return marker[1] if marker and marker[1] in reference_forms else None


def score_official(
    cases: Sequence[Case],
    details: Callable[[str, Sequence[str]], AnswerDetails],
    affected_by: Callable[[str, Sequence[str], AnswerDetails], Iterable[tuple[int, str]]],
    *,
    reads_empty_values: bool = False,
) -> tuple[list[float], list[Note]]:
    """Score cases as the organisers' scripts do.

    Args:
        cases: all cases, in ground-truth order.
        details: scores an answer against references; may raise NoLemmaError.
        affected_by: names the defects, with a message each, that gave the answer another score than it deserves.
        reads_empty_values: whether null, 0, false and what is empty count as an empty text, in answer and references.

    Returns:
        One score a case, and notes. Their scripts catch whatever is raised and return 0 for the task (defect 1): then
        every score is 0, and the last note says why.

    Raises:
        AttemptAbortedError: if an answer is missing; that is checked outside of what they catch (defect 3).

    """
    require_every_answer(cases)
    scores: list[float] = []
    notes: list[Note] = []
    previous: Answer | None = None
    for case in cases:
        try:
            answer = official_answer(case, previous)
            values, reference_notes = some_references(case)
            references = [_text_of(value, "a reference", TRUTH_DEFECT, reads_empty_values) for value in values]
            text = _text_of(answer.text, "the answer's content", 1, reads_empty_values)
            result = details(text, references)
            if not isinstance(answer.text, str) and not result.score:
                raise ScriptError(f"the answer's content is {described(answer.text)}, which has no letter to look for")
        except (ScriptError, NoLemmaError) as error:
            cause = error.defect if isinstance(error, ScriptError) else 1
            reason = f"{error} (defect {cause})" if cause != 1 else str(error)
            notes.append(Note(case.id, 1, f"the whole task is 0, because of this sample: {reason}", voids_task=True))
            return [0.0] * len(cases), notes
        scores.append(result.score)
        notes += [*answer.notes, *reference_notes]
        notes += [Note(case.id, defect, message) for defect, message in affected_by(text, references, result)]
        # Their variable holds the letter from now on, so that it is what a sample without items is scored with.
        previous = answer if result.letter is None else Answer(result.letter)
    return scores, notes


def _text_of(value: Any, what: str, defect: int, reads_empty_values: bool) -> str:
    """Return the text that their scripts make of a content. Raises ScriptError where they raise."""
    if isinstance(value, str):
        return value
    if reads_empty_values and not value:
        return ""
    raise ScriptError(f"{what} is {described(value)}, not a string", defect=defect)


class TextToTextMetric(TaskMetric):
    """What the metrics of TextQA and MathQA share, besides what TaskMetric gives them."""

    def settings(self) -> dict[str, str]:
        """Return where lemmas come from."""
        return {"lemmas": LEMMAS}

    def mean_of_none(self) -> float:
        """Return 0 in mode `official` (they catch the division by zero); raise NothingToScoreError otherwise."""
        return 0.0 if self.mode == "official" else super().mean_of_none()
