"""A sample to train on as it lies on disk, and the error of data that can not be trained on."""

from __future__ import annotations

from dataclasses import dataclass

from errors import UserError


class TrainingDataError(UserError):
    """Training data that cannot be used; says which file or folder and why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A sample to train on: its left text (text items joined by a space, as at inference), references and picture.

    `picture` is a path relative to the folder; if its bytes lie in a shard, `shard` names the file and `row` the place.
    """

    id: str
    left: str
    references: tuple[str, ...]
    picture: str | None
    shard: str | None = None
    row: int | None = None
