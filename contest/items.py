"""The contest's words for a sample: items and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ItemType: TypeAlias = Literal["text", "image"]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a sample or of an answer: a text, or the path of a picture relative to its JSON file."""

    type: ItemType
    content: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of `input.json` (or the answer to one, in `predictions.json`): its id and its items in file order."""

    id: str
    items: tuple[Item, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Contents of the text items, in order."""
        return tuple(item.content for item in self.items if item.type == "text")

    @property
    def images(self) -> tuple[str, ...]:
        """Contents (relative paths) of the image items, in order."""
        return tuple(item.content for item in self.items if item.type == "image")

    @property
    def has_image(self) -> bool:
        """Whether a picture belongs to the sample: decided by its items, never by pixels."""
        return any(item.type == "image" for item in self.items)
