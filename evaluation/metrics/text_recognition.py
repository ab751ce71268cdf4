"""TRitW, text recognition in the wild: 1 - normalised edit distance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import Levenshtein

from contest.checking import described
from evaluation.metrics.answers import (
    Answer,
    ScriptError,
    official_answer,
    require_every_answer,
    require_printable_truth,
    require_unicode,
    score_strict,
    some_references,
)
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.errors import TRUTH_DEFECT, AttemptAbortedError
from evaluation.metrics.normalisation import LEMMAS, lemma_or_word, spaced_form


@dataclass(frozen=True, slots=True)
class RecognitionDetails:
    """How a score came about: the edit distance to each reference, and the similarity."""

    score: float
    distances: tuple[int, ...]
    similarities: tuple[float, ...]


def similarity(answer: Sequence[Hashable], reference: Sequence[Hashable]) -> float:
    """Return `1 - levenshtein / max(len)` of two strings as they are; 0 if either is empty, even if both are.

    >>> similarity("хор.", "хор"), similarity("Аптека", "аптека"), similarity("", "")
    (0.75, 0.8333333333333334, 0.0)
    """
    return _similarity(Levenshtein.distance(answer, reference), answer, reference)


def _similarity(distance: int, answer: Sequence[Hashable], reference: Sequence[Hashable]) -> float:
    return 1 - distance / max(len(answer), len(reference)) if answer and reference else 0.0


def recognition_form(text: str, *, lemmas: bool = False) -> str:
    """Return the normal form of the rules: lower case, no punctuation, single spaces; lemmas if asked for.

    >>> recognition_form("АПТЕКА, «24  часа»"), recognition_form("24 часа", lemmas=True)
    ('аптека 24 часа', '24 час')
    """
    form = spaced_form(text)
    return " ".join(map(lemma_or_word, form.split())) if lemmas else form


def official_details(answer: str, references: Sequence[str]) -> RecognitionDetails:
    """Score an answer as the organisers' script does, on the strings as they are (defect 6).

    Raises ValueError without references.

    >>> official_details("хор.", ["ХОР", "хор"])
    RecognitionDetails(score=0.75, distances=(4, 1), similarities=(0.0, 0.75))
    """
    distances = tuple([Levenshtein.distance(answer, reference) for reference in references])
    similarities = tuple(
        [_similarity(distance, answer, reference) for distance, reference in zip(distances, references, strict=True)]
    )
    return RecognitionDetails(max(similarities), distances, similarities)


def strict_details(answer: str, references: Sequence[str], *, lemmas: bool = False) -> RecognitionDetails:
    """Score an answer by the rules: on normal forms, for which lemmas have a switch of their own.

    >>> strict_details("аптека", ["«АПТЕКА»"]).score, strict_details("коты", ["кот"], lemmas=True).score
    (1.0, 1.0)
    """
    forms = [recognition_form(reference, lemmas=lemmas) for reference in references]
    return official_details(recognition_form(answer, lemmas=lemmas), forms)


def score_cases(cases: Sequence[Case], mode: Mode, *, lemmas: bool = False) -> tuple[list[float], list[Note]]:
    """Score cases in ground-truth order: one score a case, and notes. `lemmas` belongs to mode `strict`.

    Raises:
        AttemptAbortedError: in mode `official`, if an answer is missing (defect 3) or their script raises (1, 2, 4).

    """
    if mode == "official":
        return _score_official(cases)
    return score_strict(cases, lambda answer, references: strict_details(answer, references, lemmas=lemmas).score)


def _score_official(cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
    require_every_answer(cases)
    scores: list[float] = []
    notes: list[Note] = []
    previous: Answer | None = None
    for case in cases:
        try:
            answer = official_answer(case, previous)
            references, reference_notes = some_references(case)
            if isinstance(answer.text, str) and case.truth.unsound is None:
                require_unicode(answer.text)
                score = official_details(answer.text, references).score
            else:
                score = max(_official_similarity(answer.text, reference) for reference in references)
                if isinstance(answer.text, str):
                    require_unicode(answer.text)
                require_printable_truth(case)
        except ScriptError as error:
            raise AttemptAbortedError(str(error), sample_id=case.id, defect=error.defect) from error
        scores.append(score)
        notes += [*answer.notes, *reference_notes]
        if score < 1 and isinstance(answer.text, str):
            texts = [reference for reference in references if isinstance(reference, str)]
            corrected = strict_details(answer.text, texts).score if texts else score
            if corrected != score:
                message = f"with lower case, no punctuation and single spaces the score would be {corrected:.3g}"
                notes.append(Note(case.id, 6, message))
        previous = Answer(answer.text)
    return scores, notes


def _official_similarity(answer: Any, reference: Any) -> float:
    """Compare whatever stands in two contents: their edit distance takes a list as readily as a string.

    What is empty is 0 before any distance is taken, and an answer beside an empty reference before it is looked at.
    Raises ScriptError for what has no length, for an object, and for elements that have no hash.
    """
    if _is_empty(reference, "a reference", TRUTH_DEFECT) or _is_empty(answer, "the answer's content", 1):
        return 0.0
    numbers: dict[Hashable, int] = {}
    answer_numbers = _numbered(answer, numbers, "the answer's content", 1)
    return similarity(answer_numbers, _numbered(reference, numbers, "a reference", TRUTH_DEFECT))


def _is_empty(content: Any, what: str, defect: int) -> bool:
    if not isinstance(content, str | list | dict):
        raise ScriptError(f"{what} is {described(content)}, which has no length", defect=defect)
    return not content


def _numbered(content: Any, numbers: dict[Hashable, int], what: str, defect: int) -> list[int]:
    """Return a number for each element, equal for equal ones: 1, 1.0 and true are equal in their scripts as well."""
    if isinstance(content, dict) or any(isinstance(element, list | dict) for element in content):
        raise ScriptError(f"{what} is {described(content)}, which has no edit distance", defect=defect)
    return [numbers.setdefault(element, len(numbers)) for element in content]


class TextRecognition(TaskMetric):
    """Mean of `1 - normalised edit distance` over the ground truth's ids.

    Args:
        mode: as in TaskMetric.
        lemmas: in mode `strict`, compare lemmas instead of words as they were read.

    Raises:
        ValueError: if lemmas are asked for in mode `official`.

    """

    name = "text_recognition"

    def __init__(self, *, mode: Mode = "official", lemmas: bool = False) -> None:
        super().__init__(mode=mode)
        if lemmas and mode == "official":
            raise ValueError("text_recognition: mode official compares strings as they are, lemmas belong to strict")
        self.lemmas = lemmas

    def settings(self) -> dict[str, str]:
        """Return whether words are compared by their lemmas."""
        return {"lemmas": LEMMAS if self.lemmas else "none"}

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases as the function of this name does, with this metric's settings."""
        return score_cases(cases, self.mode, lemmas=self.lemmas)

    def mean_of_none(self) -> float:
        """Raise AttemptAbortedError in mode `official` (their script divides by zero), else NothingToScoreError."""
        if self.mode == "official":
            raise AttemptAbortedError("there is no sample, and their mean divides by zero", defect=1)
        return super().mean_of_none()
