"""The way from cases to scores that TextQA and MathQA share. Knows nothing of how one answer is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from contest.checking import described
from evaluation.metrics.answers import (
    Answer,
    ScriptError,
    demand_every_answer,
    official_answer,
    official_references,
    strict_answer,
    strict_references,
)
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.normalisation import LEMMAS, NoLemmaError


class Details(Protocol):
    """What every way of scoring one answer tells."""

    @property
    def score(self) -> float:
        """The answer's score."""

    @property
    def letter(self) -> str | None:
        """The option marker that was scored instead of the answer."""


D = TypeVar("D", bound=Details)


def score_official(
    cases: Sequence[Case],
    details: Callable[[str, Sequence[str]], D],
    affected_by: Callable[[str, Sequence[str], D], Iterable[tuple[int, str]]],
) -> tuple[list[float], list[Note]]:
    """Score cases as the organisers' scripts do.

    Args:
        cases: all cases, in ground-truth order.
        details: scores an answer against references; may raise NoLemmaError.
        affected_by: names the defects, with a message each, that gave the answer another score than it deserves.

    Returns:
        One score a case, and notes. Their scripts catch whatever is raised and return 0 for the task (defect 1): then
        every score is 0, and the last note says why.

    Raises:
        AttemptAbortedError: if an answer is missing; that is checked outside of what they catch (defect 3).

    """
    demand_every_answer(cases)
    scores: list[float] = []
    notes: list[Note] = []
    previous: Answer | None = None
    for case in cases:
        try:
            answer = official_answer(case, previous)
            references, reference_notes = official_references(case)
            if not isinstance(answer.text, str):
                raise ScriptError(f"the answer's content is {described(answer.text)}, not a string")
            result = details(answer.text, references)
        except (ScriptError, NoLemmaError) as error:
            cause = error.defect if isinstance(error, ScriptError) else 1
            reason = f"{error} (defect {cause})" if cause != 1 else str(error)
            notes.append(Note(case.id, 1, f"the whole task is 0, because of this sample: {reason}", voids_task=True))
            return [0.0] * len(cases), notes
        scores.append(result.score)
        notes += [*answer.notes, *reference_notes]
        notes += [Note(case.id, defect, message) for defect, message in affected_by(answer.text, references, result)]
        # Their variable holds the letter from now on, so that it is what a sample without items is scored with.
        previous = answer if result.letter is None else Answer(result.letter)
    return scores, notes


def score_strict(
    cases: Sequence[Case], details: Callable[[str, Sequence[str]], Details]
) -> tuple[list[float], list[Note]]:
    """Score cases by the rules: one score a case; a sample that can not be scored is 0, with a note that names it."""
    scores: list[float] = []
    notes: list[Note] = []
    for case in cases:
        answer, references = strict_answer(case), strict_references(case)
        if isinstance(answer, Note) or isinstance(references, Note):
            scores.append(0.0)
            notes += [note for note in (answer, references) if isinstance(note, Note)]
            continue
        scores.append(details(answer.text, references).score)
        notes += answer.notes
    return scores, notes


class TextToTextMetric(TaskMetric):
    """What the metrics of TextQA and MathQA share beside TaskMetric."""

    def settings(self) -> dict[str, str]:
        """Return where lemmas come from."""
        return {"lemmas": LEMMAS}

    def mean_of_none(self) -> float:
        """Return 0 in mode `official` (they catch the division by zero); raise NothingToScoreError otherwise."""
        return 0.0 if self.mode == "official" else super().mean_of_none()
