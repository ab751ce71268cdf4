"""Typed errors of contest files: what was wrong, where, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import unique
from os import PathLike, fspath

from errors import ErrorCode, UserError

MAX_PRINTED_ERRORS = 20
MAX_QUOTED_CHARACTERS = 60
BYTE_ORDER_MARK = "it begins with a byte order mark, at which the organisers' reader stops"


@unique
class Code(ErrorCode):
    """Every kind of error of this room."""

    FILE_MISSING = ("the file does not exist", "check the path")
    FILE_UNREADABLE = ("the file can not be read", "check that it is a file and that its permissions allow reading")
    NOT_UTF8 = ("the file is not UTF-8", "save it as UTF-8")
    NOT_JSON = ("the file is not JSON", "repair the JSON at the place named")
    NOT_FINITE = ("the file holds NaN or Infinity, which JSON does not have", "write null, or leave the value out")
    NESTED_TOO_DEEPLY = ("the JSON is nested too deeply to be read", "a contest file has four levels at most")
    NOT_AN_OBJECT = ("the top level is not an object", 'write {"<sample id>": ...}')
    ENTRY_TOO_LARGE = ("an entry is larger than is read", "shorten it")
    ENTRIES_TOO_MANY = ("there are far more entries than samples", "answer the samples of the input, and no others")
    DUPLICATE_ID = ("a sample id stands twice", "give each sample an id of its own")
    ID_UNUSABLE = ("a sample id can not be part of a file name", "use a short id without '/' and NUL, such as a number")

    SAMPLE_NOT_A_LIST = ("a sample is not a list of items", 'write [{"type": ..., "content": ...}, ...]')
    SAMPLE_EMPTY = ("a sample has no items", "give it at least one item, or leave it out")
    ITEMS_TOO_MANY = ("a sample has more items than are read", "keep the items that answer it")
    ITEM_NOT_AN_OBJECT = ("an item is not an object", 'write {"type": ..., "content": ...}')
    ITEM_KEY_MISSING = ("an item lacks its type or its content", 'an item needs both "type" and "content"')
    ITEM_KEY_REPEATED = ("a key stands twice in one item", "keep one of them")
    ITEM_TYPE_UNKNOWN = ("an item's type is unknown", 'use "text" or "image"')
    CONTENT_NOT_A_STRING = ("a content is of the wrong type", "write the content as a string")
    CONTENT_NOT_UNICODE = ("a string holds half a surrogate pair", "repair the \\uD800 to \\uDFFF escape")
    REFERENCES_EMPTY = ("a ground truth item has no reference", "list at least one acceptable answer")
    TASK_UNKNOWN = ("no task has this id or key", "the tasks are those of contest.tasks.TASKS, ids 0 to 11")

    PICTURE_PATH_REFUSED = (
        "a picture's path does not stay in its folder",
        "use a relative path without '..' to a file inside the folder of the JSON file",
    )
    PICTURE_MISSING = ("a picture does not exist", "check that the images were copied along with the JSON file")
    PICTURE_NOT_A_FILE = ("a picture is not a plain file", "name a file, not a folder or a device")
    PICTURE_UNREADABLE = ("a picture's file can not be read", "check its permissions and links")
    PICTURE_EMPTY = ("a picture's file has no bytes", "copy the picture again")
    NOT_A_PICTURE = ("a file is not a picture", "store it as JPEG or PNG")
    PICTURE_DAMAGED = ("a picture can not be decoded to its end", "copy the picture again")
    PICTURE_TOO_LARGE = ("a picture has more pixels than is allowed", "scale it down")
    PICTURES_TOO_LARGE_IN_ALL = (
        "all pictures together have more pixels than are decoded of them",
        "draw smaller pictures: 1024 x 1024 pixels for each sample are always decoded",
    )
    PICTURE_CLIPPED = ("a picture's grey has more than 8 bits, and is clipped at 255", "store it with 8 bits")

    ARCHIVE_UNREADABLE = ("the file is no ZIP archive that can be read", "pack it again: `python -m submission pack`")
    ARCHIVE_TOO_LARGE = ("an archive is larger than 15 GB, packed or unpacked", "take smaller or fewer weights")
    ARCHIVE_BOMB = ("an archive unpacks to far more than it holds", "pack it again: `python -m submission pack`")
    ARCHIVE_NAME_REFUSED = ("an entry's name does not stay in its folder", "use relative names without '..' and '\\'")
    ARCHIVE_NAME_TWICE = ("two entries take the same place", "give each file a name of its own")
    ARCHIVE_NOT_A_FILE = ("an entry is a link or a device", "pack the file itself that the link leads to")
    ARCHIVE_FORM = ("an entry is packed in a form that not every program unpacks", "store or deflate it, no password")
    METADATA_INVALID = (
        "metadata.json does not say what to run",
        'write {"image": "<image name>", "entrypoint": "<command>"} at the root of the archive',
    )
    PREDICTION_MISSING = ("a sample of the input has no prediction", "answer every sample of the input")

    WRITE_FAILED = ("a file can not be written", "check that the folder exists and may be written to")
    DISK_FULL = ("the disk is full", "make room on the disk")

    SCORE_MISSING = ("a task has no score", "the integral score needs all twelve tasks")
    SCORE_UNKNOWN = ("a score belongs to no task", "use the keys of contest.tasks.TASKS")
    SCORE_OUT_OF_RANGE = ("a score is not a number from 0 to 1", "a task's score is a mean within [0, 1]")


class ContestError(UserError):
    """One thing wrong with a file of the contest, as read-only data.

    Args:
        code: the kind of error, from the one table above.
        message: what was wrong here, in particular; the code's meaning if empty.
        file: the file concerned, if one is.
        sample_id: the sample concerned, if one is.
        item: the index (from 0) of the item in its sample, if one is concerned.
        remedy: what to do; the code's usual remedy if not given.

    """

    def __init__(
        self,
        code: Code,
        message: str = "",
        *,
        file: str | PathLike[str] | None = None,
        sample_id: str | None = None,
        item: int | None = None,
        remedy: str | None = None,
    ) -> None:
        message, remedy = message or code.meaning, code.remedy if remedy is None else remedy
        self._fields = (code, message, None if file is None else fspath(file), sample_id, item, remedy)
        place = [] if file is None else [fspath(file)]
        if sample_id is not None:
            place.append(f"sample {quote(sample_id)}")
        if item is not None:
            place.append(f"item {item}")
        super().__init__(message, remedy, where=", ".join(place))
        self.args = self._fields

    @property
    def code(self) -> Code:
        """The kind of error."""
        return self._fields[0]

    @property
    def code_name(self) -> str:
        """The kind's name, which is stable."""
        return self.code.name

    @property
    def file(self) -> str | None:
        """The file concerned."""
        return self._fields[2]

    @property
    def sample_id(self) -> str | None:
        """The sample concerned."""
        return self._fields[3]

    @property
    def item(self) -> int | None:
        """Index of the item concerned, from 0."""
        return self._fields[4]

    @property
    def reason(self) -> str:
        """All but the remedy, with the code, on one line."""
        # A message may quote a file name or a library's error with line breaks in it; a log line must stay one line.
        return " ".join(f"[{self.code_name}] {super().reason}".split())

    def __str__(self) -> str:
        return " ".join(f"{self.reason}; {self.remedy}".split())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContestError) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)


class ContestFileError(UserError):
    """All that is wrong with one file, raised together. `errors` keeps every one; the text prints the first twenty.

    One error alone reads as it does by itself, on one line.
    """

    def __init__(self, errors: Iterable[ContestError]) -> None:
        self.errors = tuple(errors)
        if not self.errors:
            raise ValueError("ContestFileError needs at least one error")
        super().__init__(_listed(self.errors) if len(self.errors) > 1 else str(self.errors[0]))


def _listed(errors: tuple[ContestError, ...]) -> str:
    counts = Counter(error.code.name for error in errors)
    lines = [f"{len(errors)} errors ({', '.join(f'{name} x {count}' for name, count in counts.most_common())}):"]
    lines += [f"  {error}" for error in errors[:MAX_PRINTED_ERRORS]]
    if len(errors) > MAX_PRINTED_ERRORS:
        lines.append(f"  ... and {len(errors) - MAX_PRINTED_ERRORS} more")
    return "\n".join(lines)


def quote(value: str) -> str:
    """Return the string in quotes, escaped, cut to a length that a log line bears."""
    return repr(value if len(value) <= MAX_QUOTED_CHARACTERS else value[: MAX_QUOTED_CHARACTERS - 3] + "...")
