"""Takes an answer's text or picture, and the references, out of a case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contest.checking import described, is_unicode
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.errors import AttemptAbortedError


class ScriptError(Exception):
    """The organisers' script raises on this sample; what becomes of the task is the metric's affair.

    Attributes:
        defect: the number of the difference between code and rules that struck.

    """

    def __init__(self, message: str, *, defect: int = 1) -> None:
        super().__init__(message)
        self.defect = defect


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's text, and what was odd about it. `text` can be any JSON value where the entry is unsound."""

    text: Any
    notes: tuple[Note, ...] = ()


def require_unicode(text: str) -> None:
    """Raise ScriptError for half a surrogate pair, which the organisers' scripts that print an answer stop at."""
    if not is_unicode(text):
        raise ScriptError("the answer's text holds half a surrogate pair, which can not be printed", defect=25)


def require_every_answer(cases: Sequence[Case]) -> None:
    """Raise AttemptAbortedError if an answer is missing, as the organisers' scripts do before they score anything."""
    missing = [case.id for case in cases if case.answer is None and case.unsound is None]
    if missing:
        message = f"the predictions lack {len(missing)} of {len(cases)} ids, first this one"
        raise AttemptAbortedError(message, sample_id=missing[0], defect=3)


def official_answer(case: Case, previous: Answer | None) -> Answer:
    """Return the answer as the organisers' scripts for TextQA, MathQA and TRitW find it.

    `previous` is the answer that the sample before was scored with; their variable keeps it where a sample has no
    items (defect 2). An answer whose items hold no text is empty.

    Raises:
        ScriptError: if their script would raise: nothing to keep, or an entry that is no list of items.

    """
    for item in _official_items(case):
        kind = _lookup(item, "type")
        if kind == "text":
            return Answer(_lookup(item, "content"))
    if _official_items(case):
        return Answer("", (Note(case.id, None, "the answer has no item of type text: scored as an empty text"),))
    if previous is None:
        raise ScriptError("the answer has no items, and no sample before it has an answer to use again", defect=2)
    note = Note(case.id, 2, f"the answer has no items: {described(previous.text)} of the sample before counts again")
    return Answer(previous.text, (note,))


def official_references(case: Case) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the references as the organisers' scripts find them, with notes: the contents of the first item.

    Raises:
        ScriptError: if the ground truth is one item instead of a list (defect 4), or an empty string (defect 5).

    """
    if case.truth.is_bare_item:
        raise ScriptError("the ground truth is one item, not a list of items", defect=4)
    first = case.truth.items[0]
    if not first.is_bare_string:
        return first.contents, ()
    characters = tuple(first.contents[0])
    if not characters:
        raise ScriptError("the reference is an empty string, which leaves no characters as references", defect=5)
    return characters, (Note(case.id, 5, "the reference is a bare string: its characters become the references"),)


def official_picture(case: Case) -> str | None:
    """Return where the organisers' splitting of the files finds the answer's first picture, None without one.

    It asks nothing else of the items, so that an unsound answer can have a picture all the same.
    """
    if case.answer is not None:
        return copied_path(case.answer.images[0]) if case.answer.images else None
    items = case.unsound.value if case.unsound is not None else None
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            return None  # they stop here
        if item.get("type") == "image":
            return copied_path(item["content"]) if isinstance(item.get("content"), str) else None
    return None


def copied_path(content: str) -> str:
    """Return the part of a picture's path that the organisers' scripts look at: its folder and its name.

    >>> copied_path("./output/images/image_7.jpg"), copied_path("image_7.jpg")
    ('images/image_7.jpg', 'image_7.jpg')
    """
    return "/".join(content.split("/")[-2:])


def strict_answer(case: Case) -> Answer | Note:
    """Return the first text of the answer, or the note that says why there is nothing to score (the score is 0)."""
    if case.unsound is not None:
        reasons = "; ".join(error.message for error in case.unsound.errors)
        return Note(case.id, None, f"the answer is unsound, scored 0: {reasons}")
    if case.answer is None:
        return Note(case.id, None, "the predictions lack this id: scored 0")
    if not case.answer.texts:
        return Answer("", (Note(case.id, None, "the answer has no item of type text: scored as an empty text"),))
    return Answer(case.answer.texts[0])


def strict_references(case: Case) -> tuple[str, ...] | Note:
    """Return every acceptable text, or the note that says that there is none (the score is 0)."""
    return case.truth.texts or Note(case.id, None, "the ground truth has no text: scored 0")


def score_strict(cases: Sequence[Case], score: Callable[[str, Sequence[str]], float]) -> tuple[list[float], list[Note]]:
    """Score cases by the rules, each answer against its references.

    Returns one score a case, and notes; a sample that can not be scored is 0, with a note that names it.
    """
    scores: list[float] = []
    notes: list[Note] = []
    for case in cases:
        answer, references = strict_answer(case), strict_references(case)
        if isinstance(answer, Note) or isinstance(references, Note):
            scores.append(0.0)
            notes += [note for note in (answer, references) if isinstance(note, Note)]
            continue
        scores.append(score(answer.text, references))
        notes += answer.notes
    return scores, notes


def _official_items(case: Case) -> Sequence[Any]:
    """Return what a loop over the entry yields: items as JSON has them."""
    if case.unsound is None:
        assert case.answer is not None, "require_every_answer comes first"
        return [{"type": item.type, "content": item.content} for item in case.answer.items]
    value = case.unsound.value
    if not isinstance(value, list | dict | str):
        raise ScriptError(f"the answer is {described(value)}, which is no list of items")
    return list(value)


def _lookup(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise ScriptError(f"the answer's item is {described(item)}, not an object")
    if key not in item:
        raise ScriptError(f"the answer's item has no {key}")
    return item[key]
