"""Reads the contest's JSON files into validated objects. Knows nothing of pictures' contents, tasks' answers or models.

Everything wrong with a file is reported at once, as ContestErrors. `sift_input` and `sift_predictions` instead hand
back what is sound beside what is wrong, for a run that must answer (or score) the sound samples whatever the others
are. A file that is no JSON object at all has no sound part: it raises ContestErrors in every function here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from contest.errors import Code, ContestError, ContestErrors, quote
from contest.ground_truth import GroundTruth, References
from contest.items import Item, ItemType, Sample
from contest.limits import MAX_FILE_NAME_BYTES, picture_name
from contest.tasks import TASKS

FilePath: TypeAlias = str | PathLike[str]
Entry = TypeVar("Entry")

_ITEM_TYPES: dict[object, ItemType] = {"text": "text", "image": "image"}


@dataclass(frozen=True, slots=True)
class Sifted(Generic[Entry]):
    """What is sound in a file, by sample id in file order, and all that is wrong with the rest.

    A sample id that stands twice is reported, and its last value is the one kept, as Python's own JSON reader would.
    """

    sound: dict[str, Entry]
    errors: tuple[ContestError, ...]

    def or_raise(self) -> dict[str, Entry]:
        """Return the sound entries if nothing is wrong; raise ContestErrors with everything that is otherwise."""
        if self.errors:
            raise ContestErrors(self.errors)
        return self.sound


def read_input(path: FilePath) -> dict[str, Sample]:
    """Read `input.json`: samples by id, each with at least one item. Raises ContestErrors."""
    return sift_input(path).or_raise()


def sift_input(path: FilePath) -> Sifted[Sample]:
    """Read `input.json` and keep its sound samples beside the errors of the others. Raises ContestErrors (no JSON)."""
    return _sift(path, lambda checker, value: _sample(checker, value, may_be_empty=False))


def read_predictions(path: FilePath) -> dict[str, Sample]:
    """Read `predictions.json`: answers by id. An empty list of items is an answer too. Raises ContestErrors."""
    return sift_predictions(path).or_raise()


def sift_predictions(path: FilePath) -> Sifted[Sample]:
    """Read `predictions.json` and keep its sound answers beside the others' errors. Raises ContestErrors (no JSON)."""
    return _sift(path, lambda checker, value: _sample(checker, value, may_be_empty=True))


def read_ground_truth(path: FilePath) -> dict[str, GroundTruth]:
    """Read `ground_truth.json`: acceptable answers by id.

    A value is one item or a list of items, a content one string or a list of them; the result records which.
    Raises ContestErrors.
    """
    return _sift(path, _ground_truth).or_raise()


def read_ids(path: FilePath) -> dict[str, int]:
    """Read `ids.json`: the id of each sample's task (0 to 11), a number or a string of digits. Raises ContestErrors."""
    return _sift(path, _task_id).or_raise()


class _Repeating(dict[str, Any]):
    """A JSON object in which some key stands twice; `repeated` names such keys."""

    repeated: tuple[str, ...] = ()


@dataclass(slots=True)
class _Checker:
    """Collects the errors of one file, each with the place it was found at."""

    file: str
    errors: list[ContestError]
    sample_id: str | None = None

    def report(self, code: Code, message: str, item: int | None = None) -> None:
        self.errors.append(ContestError(code, message, file=self.file, sample_id=self.sample_id, item=item))


def _sift(path: FilePath, parse: Callable[[_Checker, Any], Entry | None]) -> Sifted[Entry]:
    checker = _Checker(fspath(path), [])
    sound: dict[str, Entry] = {}
    for sample_id, value in _json_object(checker).items():
        checker.sample_id = sample_id
        usable = _check_id(checker, sample_id)
        entry = parse(checker, value)
        if usable and entry is not None:
            sound[sample_id] = entry
    return Sifted(sound, tuple(checker.errors))


def _json_object(checker: _Checker) -> dict[str, Any]:
    """Return the file's top-level object, its repeated ids reported. Raises ContestErrors if it holds none."""
    text = _text(checker)

    def not_finite(name: str) -> float:
        checker.report(Code.NOT_FINITE, f"{name} stands in the file")
        return float(name)

    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=not_finite)
    except RecursionError as error:
        raise _fatal(checker, Code.NESTED_TOO_DEEPLY) from error
    except ValueError as error:  # JSONDecodeError, and a number of more digits than Python converts
        raise _fatal(checker, Code.NOT_JSON, str(error)) from error
    if not isinstance(document, dict):
        raise _fatal(checker, Code.NOT_AN_OBJECT, f"the top level is {_described(document)}")
    for checker.sample_id in _repeated(document):
        checker.report(Code.DUPLICATE_ID, "the id stands more than once")
    return document


def _text(checker: _Checker) -> str:
    try:
        return Path(checker.file).read_bytes().decode("utf-8-sig")  # a byte order mark is tolerated
    except FileNotFoundError as error:
        raise _fatal(checker, Code.FILE_MISSING) from error
    except UnicodeDecodeError as error:
        raise _fatal(checker, Code.NOT_UTF8, f"byte {error.start} is not UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a path with NUL in it
        raise _fatal(checker, Code.FILE_UNREADABLE, str(error)) from error


def _fatal(checker: _Checker, code: Code, message: str = "") -> ContestErrors:
    return ContestErrors([*checker.errors, ContestError(code, message, file=checker.file)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeating = _Repeating(plain)
    repeating.repeated = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return repeating


def _repeated(value: dict[str, Any]) -> tuple[str, ...]:
    return value.repeated if isinstance(value, _Repeating) else ()


def _check_id(checker: _Checker, sample_id: str) -> bool:
    """Report an id that could not be part of `image_<id>.jpg`; return whether it can."""
    if not sample_id:
        problem = "the id is empty"
    elif "/" in sample_id or "\0" in sample_id:
        problem = "the id holds '/' or NUL"
    elif not _is_unicode(sample_id):
        problem = "the id holds half a surrogate pair"
    elif len(picture_name(sample_id).encode()) > MAX_FILE_NAME_BYTES:
        problem = f"with this id, the name of its picture is longer than {MAX_FILE_NAME_BYTES} bytes"
    else:
        return True
    checker.report(Code.ID_UNUSABLE, problem)
    return False


def _sample(checker: _Checker, value: Any, *, may_be_empty: bool) -> Sample | None:
    assert checker.sample_id is not None
    if not isinstance(value, list):
        checker.report(Code.SAMPLE_NOT_A_LIST, f"the sample is {_described(value)}")
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


def _ground_truth(checker: _Checker, value: Any) -> GroundTruth | None:
    assert checker.sample_id is not None
    is_bare_item = isinstance(value, dict)
    raw_items = [value] if is_bare_item else value
    if not isinstance(raw_items, list):
        checker.report(Code.SAMPLE_NOT_A_LIST, f"the ground truth is {_described(value)}")
        return None
    if not raw_items:
        checker.report(Code.SAMPLE_EMPTY, "the ground truth is an empty list")
        return None
    items = [_references(checker, raw, index) for index, raw in enumerate(raw_items)]
    sound = tuple(item for item in items if item is not None)
    return GroundTruth(checker.sample_id, sound, is_bare_item) if len(sound) == len(items) else None


def _references(checker: _Checker, raw: Any, index: int) -> References | None:
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
    sound = [_is_content(checker, text, index, name) for text, name in zip(contents, names, strict=True)]
    return References(item_type, tuple(contents), is_bare_string) if all(sound) else None


def _task_id(checker: _Checker, value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(len(TASKS))):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(TASKS):
        checker.report(Code.TASK_UNKNOWN, f"the task id is {_described(value)}")
        return None
    return value


def _type_and_content(checker: _Checker, raw: Any, index: int) -> tuple[ItemType, Any] | None:
    """Return an item's type and its content as it stands, or report why there are none. Surplus keys are ignored."""
    if not isinstance(raw, dict):
        checker.report(Code.ITEM_NOT_AN_OBJECT, f"the item is {_described(raw)}", index)
        return None
    count = len(checker.errors)
    for key in _repeated(raw):
        checker.report(Code.ITEM_KEY_REPEATED, f"the key {quote(key)} stands more than once", index)
    for key in ("type", "content"):
        if key not in raw:
            checker.report(Code.ITEM_KEY_MISSING, f'the item has no "{key}"', index)
    # A list or an object is no key of a dictionary: it would raise instead of being unknown.
    if "type" in raw and not (isinstance(raw["type"], str) and raw["type"] in _ITEM_TYPES):
        checker.report(Code.ITEM_TYPE_UNKNOWN, f"the type is {_described(raw['type'])}", index)
    return None if len(checker.errors) > count else (_ITEM_TYPES[raw["type"]], raw["content"])


def _is_content(checker: _Checker, content: Any, index: int, name: str) -> bool:
    if not isinstance(content, str):
        checker.report(Code.CONTENT_NOT_A_STRING, f"{name} is {_described(content)}", index)
        return False
    if not _is_unicode(content):
        checker.report(Code.CONTENT_NOT_UNICODE, f"{name} holds half a surrogate pair", index)
        return False
    return True


def _is_unicode(text: str) -> bool:
    """Whether the string can be written as UTF-8, which half a surrogate pair (from a \\uD800 escape) can not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _described(value: object) -> str:
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
