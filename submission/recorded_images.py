"""Pictures as a journal has them: their codes lie there, and are read again by those few that want them again."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contest.id_index import ABSENT
from errors import UserError
from submission.tables import SampleIds, SpooledTable, fill

_LINE_BYTES = 8192  # more than a published picture's line has
_MOST_CODE, _MOST_NUMBER = 2**31, 2**32


class JournalChangedError(UserError):
    """A journal does not hold any more what a run has written into it, or read from it."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line of a journal's file, which begins at a byte."""

    path: Path
    begin: int

    def codes(self, crc: int) -> Tensor:
        """Return the codes of the picture that is recorded there with this checksum. Raises JournalChangedError."""
        try:
            with self.path.open("rb", buffering=_LINE_BYTES) as file:
                file.seek(self.begin)
                record = json.loads(file.readline())
            if record["crc32"] != crc:
                raise ValueError("it is of another picture")
            return torch.tensor(record["codes"], dtype=torch.int32)
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = "see that nothing else writes there, and start the same command again"
            what = f"a picture's line at byte {self.begin} can not be read any more: {error}"
            raise JournalChangedError(what, remedy, where=str(self.path)) from error


class RecordedImage:
    """A picture as a journal has it: its codes `[I]`, its file's CRC-32, and of how many it is the best.

    A run has one of each of its samples: of the codes it keeps where they stand, and only of a picture that no journal
    has a copy in plain bytes, as a tensor takes half as much again.
    """

    __slots__ = ("_data", "_kind", "crc", "line", "num_images")

    def __init__(self, codes: Tensor | JournalLine, crc: int, num_images: int = 1) -> None:
        self.line = codes if isinstance(codes, JournalLine) else None  # where the codes stand, if a journal has them
        self._data, self._kind = b"", np.dtype(np.int16)
        if not isinstance(codes, JournalLine):
            numbers = compact_codes(codes).cpu().numpy()
            self._data, self._kind = numbers.tobytes(), numbers.dtype
        self.crc, self.num_images = crc, num_images

    def leave_codes_in(self, line: JournalLine) -> None:
        """Keep no codes any more: they stand in that line."""
        self.line, self._data = line, b""

    @property
    def codes(self) -> Tensor:
        """The codes: int16 where that holds them, or int32; a new tensor each time. Raises JournalChangedError."""
        if self.line is not None:
            return compact_codes(self.line.codes(self.crc))
        return torch.from_numpy(np.frombuffer(self._data, self._kind).copy())


class ImageTable(MutableMapping[str, RecordedImage]):
    """Recorded pictures by sample id, in some twelve bytes each; those that no journal has are held as they are."""

    def __init__(self, ids: SampleIds) -> None:
        self.ids = ids
        self._begins, self._crcs = array("q"), array("I")  # by row; ABSENT: not in a journal
        self._draws = array("I")  # by row; it ends where all that follow are of one draw
        self._numbers = array("H")  # of the journals that they are in; it ends where all that follow are in the first
        self._journals: list[Path] = []
        self._held: dict[int, RecordedImage] = {}  # by row
        self._count = 0

    def __getitem__(self, sample_id: str) -> RecordedImage:
        row = self.ids.known_row(sample_id)
        if row in self._held:
            return self._held[row]
        if not self._is_in_journal(row):
            raise KeyError(sample_id)
        journal = self._numbers[row] if row < len(self._numbers) else 0
        draws = self._draws[row] if row < len(self._draws) else 1
        crc = self._crcs[row] if row < len(self._crcs) else 0
        return RecordedImage(JournalLine(self._journals[journal], self._begins[row]), crc, draws)

    def __setitem__(self, sample_id: str, image: RecordedImage) -> None:
        self._count += sample_id not in self
        row, line = self.ids.row(sample_id), image.line
        self._held.pop(row, None)
        if line is None:
            self._held[row] = image
            return
        if line.path not in self._journals:
            self._journals.append(line.path)
        for numbers, usual, number in (
            (self._begins, ABSENT, line.begin),
            (self._crcs, 0, image.crc),
            (self._draws, 1, image.num_images),
            (self._numbers, 0, self._journals.index(line.path)),
        ):
            if row < len(numbers) or number != usual:
                fill(numbers, row, usual, len(self.ids))
                numbers[row] = number

    def __delitem__(self, sample_id: str) -> None:
        if sample_id not in self:
            raise KeyError(sample_id)
        row = self.ids.known_row(sample_id)
        self._held.pop(row, None)
        if row < len(self._begins):
            self._begins[row] = ABSENT
        self._count -= 1

    def __contains__(self, sample_id: object) -> bool:
        return self.has_row(self.ids.known_row(sample_id))

    def has_row(self, row: int) -> bool:
        """Whether the sample of a row has a picture."""
        return row in self._held or self._is_in_journal(row)

    def __iter__(self) -> Iterator[str]:
        return (key for row, key in enumerate(self.ids) if self.has_row(row))

    def __len__(self) -> int:
        return self._count

    def _is_in_journal(self, row: int) -> bool:
        return 0 <= row < len(self._begins) and self._begins[row] != ABSENT


class CodesTable(SpooledTable[Tensor]):
    """Codes of pictures, each `[I]`, by sample id: int16 where that holds them, or int32; a new tensor each time."""

    @staticmethod
    def pack(value: Tensor) -> bytes:
        """Return how many bytes a code has, and the codes in as many."""
        numbers = compact_codes(value).cpu().numpy()
        return bytes([numbers.itemsize]) + numbers.tobytes()

    @staticmethod
    def unpack(data: bytes) -> Tensor:
        """Return the codes `[I]`."""
        return torch.from_numpy(np.frombuffer(data, f"i{data[0]}", offset=1).copy())


def compact_codes(codes: Tensor) -> Tensor:
    """Return a copy of integer codes, which are not negative, in as few bytes as hold the largest of them."""
    fits = not len(codes) or int(codes.max()) <= torch.iinfo(torch.int16).max
    return codes.to(torch.int16 if fits else torch.int32, copy=True)


def is_sound_image(codes: Sequence[Any], crc: int, draws: int) -> bool:
    """Whether a record's codes, its checksum and its number of pictures are some."""
    if not 0 <= crc < _MOST_NUMBER or not 0 <= draws < _MOST_NUMBER:
        return False
    return set(map(type, codes)) <= {int} and (not codes or 0 <= min(codes) <= max(codes) < _MOST_CODE)
