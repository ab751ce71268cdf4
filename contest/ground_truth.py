"""The contest's words for a ground truth: the acceptable answers of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contest.errors import ContestError
from contest.items import ItemType


@dataclass(frozen=True, slots=True)
class References:
    """One item of a ground truth: every acceptable answer of one type.

    `is_bare_string` records that the file held `"content": "..."` rather than a list, which the organisers' scripts
    treat otherwise than their rules do. Raises ValueError if there is no reference, or several from a bare string.
    """

    type: ItemType
    contents: tuple[str, ...]
    is_bare_string: bool = False

    def __post_init__(self) -> None:
        if not self.contents or (self.is_bare_string and len(self.contents) > 1):
            raise ValueError("references: at least one, and exactly one where the content is a bare string")


@dataclass(frozen=True, slots=True)
class UnsoundTruth:
    """An entry of a ground truth that is malformed: `value` as the JSON file holds it, `errors` say what is wrong."""

    value: Any
    errors: tuple[ContestError, ...]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The ground truth of a sample: its id and its items in file order.

    `is_bare_item` records that the file held one item rather than a list of items. `unsound` is the entry where it is
    malformed, and `items` then what is sound of it: only `reading.read_ground_truth_lenient` gives such ones.
    Raises ValueError if there is no item in a sound one, or several from a bare one.
    """

    id: str
    items: tuple[References, ...]
    is_bare_item: bool = False
    unsound: UnsoundTruth | None = None

    def __post_init__(self) -> None:
        if self.unsound is not None:
            return
        if not self.items or (self.is_bare_item and len(self.items) > 1):
            raise ValueError("ground truth: at least one item, and exactly one where the value is a bare item")

    @property
    def texts(self) -> tuple[str, ...]:
        """Every acceptable text, in order."""
        return tuple(content for item in self.items if item.type == "text" for content in item.contents)

    @property
    def images(self) -> tuple[str, ...]:
        """Relative paths of the reference pictures, in order."""
        return tuple(content for item in self.items if item.type == "image" for content in item.contents)
