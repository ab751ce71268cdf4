"""Training examples of a task, by number: texts, references, picture codes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from training.tune.data.codes_cache import Codes
from training.tune.data.image_encoder import PictureEncoder
from training.tune.data.sources import NO_COLUMNS
from training.tune.data.table import RecordTable, open_table
from training.tune.settings import ColumnSettings

COMPARED_PICTURES = 256


@dataclass(frozen=True, slots=True)
class Example:
    """One training sample: its left text (text items joined by a space, as at inference), references and picture.

    `codes` is None for a text task, which trains on picture codes of zero.
    """

    id: str
    left: str
    references: tuple[str, ...]
    codes: Codes | None


class Examples(Sequence[Example]):
    """The examples of a task and split, read from disk one by one when they are asked for; a slice is a list of them.

    Raises `TrainingDataError`, naming sample and file, if the codes of a picture are gone.
    """

    def __init__(self, table: RecordTable, encoder: PictureEncoder) -> None:
        self._table = table
        self._encoder = encoder

    def __len__(self) -> int:
        return len(self._table)

    @property
    def table(self) -> RecordTable:
        """The records that they are made of."""
        return self._table

    def digest(self) -> str:
        """SHA-256 of all texts, and of the codes of `COMPARED_PICTURES` pictures from first to last.

        The same wherever the same task folder lies; read at the speed of the disk, not example by example.
        """
        digest = hashlib.sha256(self._table.texts_sha256())
        for number in range(0, len(self), max(1, len(self) // COMPARED_PICTURES)):
            codes = self[number].codes
            digest.update(b"" if codes is None else codes.tobytes())
        return digest.hexdigest()

    @overload
    def __getitem__(self, number: int) -> Example: ...

    @overload
    def __getitem__(self, number: slice) -> list[Example]: ...

    def __getitem__(self, number: int | slice) -> Example | list[Example]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        record = self._table.record(number + len(self) if number < 0 else number)
        codes = self._encoder.codes(self._table.folder, record)
        return Example(record.id, record.left, record.references, codes)


def read_task(
    folder: Path,
    task: str,
    split: str,
    encoder: PictureEncoder,
    files: Sequence[str] | None = None,
    shards_of_others: str | None = None,
    columns: ColumnSettings = NO_COLUMNS,
) -> Examples:
    """Open the examples of a task folder; what is made of it once and the codes of its pictures go into the cache.

    `files`, `shards_of_others`, `columns`: as for `find_source`. Raises `TrainingDataError` or `ShardError`
    for a folder that can not be used, `ContestFileError` for malformed files and bad pictures (file and sample are
    named), OSError for a cache that can not be written.
    """
    table = open_table(folder, task, split, encoder.folder, files, shards_of_others, columns)
    encoder.fill(table, f"{task} {split}")
    return Examples(table, encoder)
