"""Takes an answer's text or picture, and the references, out of a case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contest.checking import described, is_unicode
from contest.ground_truth import UnsoundTruth
from evaluation.metrics.cases import Case, Note
from evaluation.metrics.errors import TRUTH_DEFECT, AttemptAbortedError

REFERENCES_NAMED = 3  # of a malformed ground truth, in a note


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
    """An answer's text, and what was odd about it. `text` can be any JSON value where the entry is unsound.

    `is_there` tells an answer whose items hold no text, which counts as an empty one.
    """

    text: Any
    notes: tuple[Note, ...] = ()
    is_there: bool = True


def require_unicode(text: str) -> None:
    """Raise ScriptError for half a surrogate pair, which the organisers' scripts that print an answer stop at."""
    if not is_unicode(text):
        raise ScriptError("the answer's text holds half a surrogate pair, which can not be printed", defect=25)


def require_printable_truth(case: Case) -> None:
    """Raise ScriptError for a bare string with half a surrogate pair: some scripts print it, and a list in escapes."""
    if case.truth.unsound is None:
        return
    match case.truth.unsound.value:
        case [{"content": str(content)}, *_] if not is_unicode(content):
            raise ScriptError(
                f"{truth_errors(case.truth.unsound)}: its half surrogate pair can not be printed", defect=TRUTH_DEFECT
            )


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
        note = Note(case.id, None, "the answer has no item of type text: scored as an empty text")
        return Answer("", (note,), is_there=False)
    if previous is None:
        raise ScriptError("the answer has no items, and no sample before it has an answer to use again", defect=2)
    note = Note(case.id, 2, f"the answer has no items: {described(previous.text)} of the sample before counts again")
    return Answer(previous.text, (note,))


def official_references(case: Case, *, by_number: bool = False) -> tuple[Sequence[Any], tuple[Note, ...]]:
    """Return the references as the organisers' scripts find them, with notes: the contents of the first item.

    They may be none, and of a malformed ground truth (defect 26) any JSON values. `by_number` asks for them as the
    METEOR scripts do, by their numbers: an object, whose keys the other scripts go through, has none.

    Raises:
        ScriptError: if the ground truth is one item instead of a list (defect 4), or nothing can be gone through.

    """
    if case.truth.unsound is not None:
        return _malformed_references(case, case.truth.unsound, by_number=by_number)
    if case.truth.is_bare_item:
        raise ScriptError("the ground truth is one item, not a list of items", defect=4)
    first = case.truth.items[0]
    if not first.is_bare_string:
        return first.contents, ()
    return tuple(first.contents[0]), (_characters(case),)


def some_references(case: Case) -> tuple[Sequence[Any], tuple[Note, ...]]:
    """Return the references as `official_references`, and raise ScriptError for none: no best can be taken of them."""
    references, notes = official_references(case)
    if references:
        return references, notes
    if case.truth.unsound is not None:
        raise ScriptError(f"{truth_errors(case.truth.unsound)}, which leaves no references", defect=TRUTH_DEFECT)
    raise ScriptError("the reference is an empty string, which leaves no characters as references", defect=5)


def _characters(case: Case) -> Note:
    return Note(case.id, 5, "the reference is a bare string: its characters become the references")


def _malformed_references(
    case: Case, unsound: UnsoundTruth, *, by_number: bool
) -> tuple[Sequence[Any], tuple[Note, ...]]:
    wrong = truth_errors(unsound)
    value = unsound.value
    if not isinstance(value, list) or not value or not isinstance(value[0], dict) or "content" not in value[0]:
        raise ScriptError(f"{wrong}, and its first item has no content to read", defect=TRUTH_DEFECT)
    content = value[0]["content"]
    if not isinstance(content, list | dict | str) or (by_number and content and isinstance(content, dict)):
        raise ScriptError(f"{wrong}, and {described(content)} is no list of references", defect=TRUTH_DEFECT)
    references = list(content)
    read_as = ", ".join(map(described, references[:REFERENCES_NAMED])) or "none"
    more = len(references) - REFERENCES_NAMED
    tail = f" and {more} more" if more > 0 else ""
    note = Note(case.id, TRUTH_DEFECT, f"{wrong}: its references are read as {read_as}{tail}")
    return references, (note, _characters(case)) if isinstance(content, str) else (note,)


def truth_errors(unsound: UnsoundTruth) -> str:
    """Return in words what is wrong with a ground truth."""
    found = [error.message if error.item is None else f"item {error.item}: {error.message}" for error in unsound.errors]
    return f"the ground truth is malformed ({'; '.join(found)})"


def official_picture(case: Case) -> str | None:
    """Return where the organisers' splitting of the files finds the answer's first picture, None without one.

    It asks nothing else of the items, so that an unsound answer can have a picture all the same.
    """
    if case.answer is not None:
        return copied_path(case.answer.images[0]) if case.answer.images else None
    found = None if case.unsound is None else first_picture(case.unsound.value)
    return None if found is None else copied_path(found)


def first_picture(entry: Any) -> str | None:
    """Return the path that the organisers' splitting finds in an entry as JSON has it; None without one, or a stop."""
    for item in entry if isinstance(entry, list) else ():
        if not isinstance(item, dict):
            return None  # they stop here
        if item.get("type") == "image":
            return item["content"] if isinstance(item.get("content"), str) else None
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
