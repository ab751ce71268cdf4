"""What a source hands over: a record, the samples made of it, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from contest.items import Item, ItemType
from errors import UserError

ImageMode: TypeAlias = Literal["link", "copy", "pad"]
IMAGE_MODES: tuple[ImageMode, ...] = get_args(ImageMode)


@unique
class SkipReason(Enum):
    """Why a record gives no sample; its value is (meaning, whether the record is at fault).

    What a rule leaves out is no fault (a test question without its answer, a doubtful translation, and what the
    published files themselves hold, such as a caption of blanks): `--strict` and the exit status mind only the others.
    """

    NOT_JSON = ("the record is not JSON", True)
    NOT_UTF8 = ("the record is not UTF-8", True)
    FIELD_MISSING = ("a field is missing", True)
    FIELD_TYPE = ("a field is of the wrong type", True)
    LABEL_UNKNOWN = ("an answer's label is none of the known ones", True)
    PROBLEM_UNREADABLE = ("the problem is of no known form", True)
    ANSWER_WRONG = ("the answer given does not solve the problem", True)
    PICTURE_UNKNOWN = ("the pictures' list does not have this picture", True)
    PICTURE_MISSING = ("the picture's file does not exist", True)
    PICTURE_UNUSABLE = ("the picture can not be opened", True)
    DUPLICATE_RECORD = ("an identifier stands twice", True)
    TRANSLATION_MISSING = ("there is no translation", True)

    EMPTY_TEXT = ("a text is empty", False)
    ANSWER_ABSENT = ("no answer occurs in the passage", False)
    TRANSLATION_DOUBTFUL = ("the translation fails a check", False)
    UNANSWERED = ("the answer is blank, as in a test set", False)
    NO_TRUE_ANSWER = ("none of the answers is a true one", False)
    NUMBER_TOO_LONG = ("a number has too many digits", False)
    OTHER_MODULE = ("the problem belongs to a module that the contest has not", False)
    NO_CAPTION = ("the picture has no caption", False)
    TEXT_TOO_LONG = ("the text is too long for its task", False)
    NOT_LEGIBLE = ("the annotation is marked as not legible", False)

    def __init__(self, meaning: str, is_fault: bool) -> None:
        self.meaning, self.is_fault = meaning, is_fault


@dataclass(frozen=True, slots=True)
class SkippedRecord:
    """A record that gives no sample: its file, its place there (a line, an index, an id), why, and a detail."""

    file: str
    place: str
    reason: SkipReason
    detail: str = ""

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        # What a record holds may have line breaks in it; a log line must stay one line.
        return " ".join(f"[{self.reason.name}] {self.file}, {self.place}: {self.reason.meaning}{detail}".split())


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A source's picture: its file, and the name that it gets in the task folder's `images/`."""

    path: Path
    name: str

    @property
    def content(self) -> str:
        """Content of the item that names it."""
        return f"images/{self.name}"


@dataclass(frozen=True, slots=True)
class ConvertedSample:
    """A sample made of a record.

    Attributes:
        task: key of its task.
        group: the document or picture it comes from, such as `coco:9`; a group never stands in two splits.
        kind: the sort of question within the task.
        items: its input, worded.
        answers: every acceptable answer, the canonical one first; for generation the picture's content.
        content: what it asks apart from its wording and order: equal contents are duplicates.
        answer_type: whether the answers are texts or a picture.
        picture: the picture to be put into the task folder, if it has one.

    """

    task: str
    group: str
    kind: str
    items: tuple[Item, ...]
    answers: tuple[str, ...]
    content: str
    answer_type: ItemType = "text"
    picture: SourcePicture | None = None


ConversionResult: TypeAlias = tuple[ConvertedSample, ...] | SkippedRecord
"""What becomes of one question, pair or picture of a source: at least one sample, or the reason why there is none."""


class SourceRecord(NamedTuple):
    """A piece of a source's file as it was read: enough to say where it stands, and what `convert` needs."""

    file: str
    place: str
    value: Any

    def skipped(self, reason: SkipReason, detail: str = "") -> SkippedRecord:
        """That it gives no sample."""
        return SkippedRecord(self.file, self.place, reason, detail)


class DataSource(Protocol):
    """A published data set. Pickled into the worker processes, so it holds paths and settings and nothing open."""

    @property
    def name(self) -> str:
        """Its name, as on the command line."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Keys of the tasks it has samples of."""

    @property
    def licence(self) -> str:
        """The licence it was published under, as far as is known."""

    @property
    def settings(self) -> dict[str, object]:
        """All that its output depends on, as JSON: what a restart must agree with, and what the card records."""

    def records(self, scratch: Path) -> Iterator[SourceRecord | SkippedRecord]:
        """Stream the records in a fixed order. `scratch` is an empty folder for what has to be sorted on disk first.

        Raises `SourceError` for a file that can not be read on.
        """

    def convert(self, record: SourceRecord) -> Iterator[ConversionResult]:
        """Make samples of a record; depends on the record and the settings alone."""


class SourceError(UserError):
    """A source's file that can not be read (on): which one, where, why, and what to do."""

    def __init__(self, file: str | Path, place: str, problem: str) -> None:
        super().__init__(problem, where=", ".join(filter(None, (str(file), place))))


class OutputTakenError(UserError):
    """Something lies where the output shall go."""
