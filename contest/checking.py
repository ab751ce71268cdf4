"""Checks one entry of a contest file, as JSON gave it, and makes it the contest's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contest.errors import Code, ContestError, ContestFileError, quote
from contest.ground_truth import GroundTruth, References, UnsoundTruth
from contest.items import Item, ItemType, Sample
from contest.limits import MAX_FILE_NAME_BYTES, picture_name
from contest.tasks import TASKS

_ITEM_TYPES: dict[object, ItemType] = {"text": "text", "image": "image"}


class Repeating(dict[str, Any]):
    """A JSON object in which some key stands twice; `repeated` names such keys."""

    repeated: tuple[str, ...] = ()


MAX_ERRORS_A_SAMPLE = 5


@dataclass(slots=True)
class Checker:
    """Collects the errors of one file, each with the place it was found at: a few a sample, the rest are counted.

    Attributes:
        file: the file.
        errors: what was found; the last of a sample with more errors than are kept says how many more there are.
        sample_id: the sample that is being looked at; None for the file as a whole.
        count: how many errors there were in all.

    """

    file: str
    errors: list[ContestError]
    sample_id: str | None = None
    count: int = 0
    _counted: tuple[str | None, int] = (None, 0)

    def report(self, code: Code, message: str, item: int | None = None) -> None:
        """Note an error at the sample that is being looked at."""
        self.count += 1
        last, here = self._counted
        here = here + 1 if last == self.sample_id else 1
        self._counted = (self.sample_id, here)
        if here > MAX_ERRORS_A_SAMPLE:
            message, item = f"and {here - MAX_ERRORS_A_SAMPLE + 1} more errors", None
            self.errors.pop()
        self.errors.append(ContestError(code, message, file=self.file, sample_id=self.sample_id, item=item))

    def fatal(self, code: Code, message: str = "", remedy: str | None = None) -> ContestFileError:
        """Return all errors with one more, of the file as a whole, which can not be read on."""
        return ContestFileError([*self.errors, ContestError(code, message, file=self.file, remedy=remedy)])


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object of its pairs (a hook for the JSON reader): `Repeating` if a key stands twice."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeating = Repeating(plain)
    repeating.repeated = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return repeating


def repeated_keys(value: dict[str, Any]) -> tuple[str, ...]:
    """Keys that stood more than once in an object made by `object_of`."""
    return value.repeated if isinstance(value, Repeating) else ()


def check_id(checker: Checker, sample_id: str) -> bool:
    """Report an id that could not be part of `image_<id>.jpg`; return whether it can."""
    if not sample_id:
        problem = "the id is empty"
    elif "/" in sample_id or "\0" in sample_id:
        problem = "the id holds '/' or NUL"
    elif not is_unicode(sample_id):
        problem = "the id holds half a surrogate pair"
    elif len(picture_name(sample_id).encode()) > MAX_FILE_NAME_BYTES:
        problem = f"with this id, the name of its picture is longer than {MAX_FILE_NAME_BYTES} bytes"
    else:
        return True
    checker.report(Code.ID_UNUSABLE, problem)
    return False


def parse_sample(checker: Checker, value: Any, *, may_be_empty: bool) -> Sample | None:
    """Return the sample `checker.sample_id`, or report all that is wrong with it."""
    assert checker.sample_id is not None
    if not isinstance(value, list):
        checker.report(Code.SAMPLE_NOT_A_LIST, f"the sample is {described(value)}")
        return None
    if not value and not may_be_empty:
        checker.report(Code.SAMPLE_EMPTY, "the sample is an empty list")
        return None
    items = []
    for index, raw in enumerate(value):
        parts = _type_and_content(checker, raw, index)
        if parts is not None and _is_content(checker, parts[1], index, "the content"):
            items.append(Item(*parts))
    return Sample(checker.sample_id, tuple(items)) if len(items) == len(value) else None


def parse_ground_truth(checker: Checker, value: Any) -> GroundTruth | None:
    """Return the ground truth of `checker.sample_id`, or report all that is wrong with it."""
    assert checker.sample_id is not None
    is_bare_item = isinstance(value, dict)
    raw_items = [value] if is_bare_item else value
    if not isinstance(raw_items, list):
        checker.report(Code.SAMPLE_NOT_A_LIST, f"the ground truth is {described(value)}")
        return None
    if not raw_items:
        checker.report(Code.SAMPLE_EMPTY, "the ground truth is an empty list")
        return None
    items = [_references(checker, raw, index) for index, raw in enumerate(raw_items)]
    valid = tuple(item for item in items if item is not None)
    return GroundTruth(checker.sample_id, valid, is_bare_item) if len(valid) == len(items) else None


def ground_truth_as_found(checker: Checker, value: Any, count_before: int, errors_before: int) -> GroundTruth:
    """Return the ground truth of `checker.sample_id`, also of a malformed entry: see `GroundTruth.unsound`.

    `count_before`: how many errors the checker had counted before the entry was read, as reading it may have found
    some; `errors_before`: how many it had kept.
    """
    assert checker.sample_id is not None
    sound = parse_ground_truth(checker, value)
    if sound is not None and checker.count == count_before:
        return sound
    # Of an id with many errors that stands twice in a row the last error counts those that are not kept.
    errors = tuple(checker.errors[errors_before:] or checker.errors[-1:])
    return GroundTruth(checker.sample_id, tuple(_sound_items(value)), unsound=UnsoundTruth(value, errors))


def _sound_items(value: Any) -> Iterator[References]:
    for raw in value if isinstance(value, list) else (value,):
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str) or raw["type"] not in _ITEM_TYPES:
            continue
        content = raw.get("content")
        elements = content if isinstance(content, list) else [content]
        contents = tuple(text for text in elements if isinstance(text, str) and is_unicode(text))
        if contents:
            yield References(_ITEM_TYPES[raw["type"]], contents, not isinstance(content, list))


def _references(checker: Checker, raw: Any, index: int) -> References | None:
    parts = _type_and_content(checker, raw, index)
    if parts is None:
        return None
    item_type, content = parts
    is_bare_string = not isinstance(content, list)
    contents = [content] if is_bare_string else content
    if not contents:
        checker.report(Code.REFERENCES_EMPTY, "the content is an empty list", index)
        return None
    names = ["the content"] if is_bare_string else [f"reference {number}" for number in range(len(contents))]
    valid = [_is_content(checker, text, index, name) for text, name in zip(contents, names, strict=True)]
    return References(item_type, tuple(contents), is_bare_string) if all(valid) else None


def parse_task_id(checker: Checker, value: Any) -> int | None:
    """Return a task's id (0 to 11), given as a number or a string of digits, or report what is wrong with it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(len(TASKS))):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(TASKS):
        checker.report(Code.TASK_UNKNOWN, f"the task id is {described(value)}")
        return None
    return value


def _type_and_content(checker: Checker, raw: Any, index: int) -> tuple[ItemType, Any] | None:
    """Return an item's type and its content as it stands, or report why there are none. Surplus keys are ignored."""
    if not isinstance(raw, dict):
        checker.report(Code.ITEM_NOT_AN_OBJECT, f"the item is {described(raw)}", index)
        return None
    count = checker.count
    for key in repeated_keys(raw):
        checker.report(Code.ITEM_KEY_REPEATED, f"the key {quote(key)} stands more than once", index)
    for key in ("type", "content"):
        if key not in raw:
            checker.report(Code.ITEM_KEY_MISSING, f'the item has no "{key}"', index)
    # A list or an object is no key of a dictionary: it would raise instead of being unknown.
    if "type" in raw and not (isinstance(raw["type"], str) and raw["type"] in _ITEM_TYPES):
        checker.report(Code.ITEM_TYPE_UNKNOWN, f"the type is {described(raw['type'])}", index)
    return None if checker.count > count else (_ITEM_TYPES[raw["type"]], raw["content"])


def _is_content(checker: Checker, content: Any, index: int, name: str) -> bool:
    if not isinstance(content, str):
        checker.report(Code.CONTENT_NOT_A_STRING, f"{name} is {described(content)}", index)
        return False
    if not is_unicode(content):
        checker.report(Code.CONTENT_NOT_UNICODE, f"{name} holds half a surrogate pair", index)
        return False
    return True


def is_unicode(text: str) -> bool:
    """Whether the string can be written as UTF-8, which half a surrogate pair (from a \\uD800 escape) can not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def holds_half_surrogate(value: object) -> bool:
    """Whether half a surrogate pair stands anywhere in a JSON value, in keys as well: it can not be written as UTF-8.

    >>> holds_half_surrogate([{"a": "\\ud800"}]), holds_half_surrogate({"a": ["b"]})
    (True, False)
    """
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                if not is_unicode(text):
                    return True
            case list() as elements:
                waiting += elements
            case dict() as entries:
                waiting += [*entries, *entries.values()]
    return False


def described(value: object) -> str:
    """Name a JSON value in JSON's words, with its text where that is short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= 10**20:  # Python refuses to print very long ones
            return "a number of more than twenty digits"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {quote(value)}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"
