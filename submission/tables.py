"""What is known of many samples, by sample id, in a few bytes each: where dicts and sets would take a hundred.

Every table has a row for each id of one `SampleIds`, which they share, and what is long in a spool. Tables iterate in
the order of those ids, and not in the order in which things were put into them.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSet, Sequence, Set
from itertools import chain
from pathlib import Path
from typing import Protocol, Self, TypeVar

from contest.id_index import ABSENT, IdIndex
from contest.items import Sample
from contest.selection import Selection
from contest.spool import RecordSpool
from contest.stored_samples import StoredId, StoredIds, StoredSamples

LEAST_WASTE = 1 << 16  # bytes of replaced values, below which nothing is moved

Key = TypeVar("Key")
Value = TypeVar("Value")


class SampleIds:
    """Ids of samples, each with its row from 0 on; others may be added at any time.

    Those that are given are not held here, but asked for in the sequence that they are in; none may stand there twice.
    `folder` is where tables keep what is long; None: in memory.
    """

    def __init__(self, ids: Sequence[str] = (), folder: Path | None = None) -> None:
        self.folder = folder
        self._ids, self._index = ids, ids.by_hash if isinstance(ids, StoredIds) else IdIndex(ids)
        self._added: dict[str, int] = {}
        self._last: tuple[object, int] = (None, ABSENT)  # mostly the same id is looked up several times

    def row(self, sample_id: str) -> int:
        """Return the row of an id, which is added if it is new."""
        row = self.known_row(sample_id)
        if row == ABSENT:
            row = self._added[sample_id] = len(self)
            self._last = (sample_id, row)
        return row

    def known_row(self, sample_id: object) -> int:
        """Return the row of an id, ABSENT if it has none."""
        if type(sample_id) is StoredId and sample_id.ids is self._ids:
            return sample_id.row
        last, row = self._last
        if last is not sample_id:
            row = self._index.row(sample_id)
            if row == ABSENT:
                row = self._added.get(sample_id, ABSENT)  # type: ignore[call-overload]
            self._last = (sample_id, row)
        return row

    def rows(self, samples: Selection[Sample]) -> Iterable[int]:
        """Return the rows of samples, ABSENT of those that have none; of stored ones no id is read."""
        if isinstance(samples.entries, StoredSamples) and samples.entries.ids is self._ids:
            return samples.places
        return (self.known_row(sample.id) for sample in samples)

    def __iter__(self) -> Iterator[str]:
        return chain(self._ids, self._added)

    def __len__(self) -> int:
        return len(self._ids) + len(self._added)


class Table(Protocol):
    """What knows something of samples, by their rows."""

    ids: SampleIds

    def has_row(self, row: int) -> bool:
        """Whether it has the sample of a row, if there is one."""
        ...


def known_to(table: Table, samples: Sequence[Sample], known: bool = True) -> Selection[Sample]:
    """Those of the samples that a table has, or those that it has not."""
    whole, has_row = Selection.of(samples), table.has_row
    return whole.that(has_row(row) == known for row in table.ids.rows(whole))


class SpooledTable(MutableMapping[str, Value]):
    """Values by sample id, in a spool, with eight bytes each in memory. A copy shares them until one of both changes.

    What a value is in the spool, subclasses say.
    """

    @staticmethod
    @abstractmethod
    def pack(value: Value) -> bytes:
        """Return the bytes of a value."""

    @staticmethod
    @abstractmethod
    def unpack(data: bytes) -> Value:
        """Return the value that was packed."""

    def __init__(self, ids: SampleIds) -> None:
        self.ids = ids
        self.spool = RecordSpool(ids.folder)
        self._places = array("q")  # in the spool, by row; ABSENT without a value
        self._count = self._waste = 0
        self._is_shared = False  # with a copy: the spool, to which both may add, always is

    def copy(self) -> Self:
        """Return another table of the same values."""
        other = type(self)(self.ids)
        self._is_shared = True
        vars(other).update(vars(self))
        return other

    def __getitem__(self, sample_id: str) -> Value:
        row = self.ids.known_row(sample_id)
        if not self.has_row(row):
            raise KeyError(sample_id)
        return self.unpack(self.spool.read(self._places[row]))

    def __setitem__(self, sample_id: str, value: Value) -> None:
        row, data = self.ids.row(sample_id), self.pack(value)
        self._own()
        fill(self._places, row, ABSENT, len(self.ids))
        self._put(row, self.spool.append(data))

    def __delitem__(self, sample_id: str) -> None:
        if sample_id not in self:
            raise KeyError(sample_id)
        self._own()
        self._put(self.ids.known_row(sample_id), ABSENT)

    def __contains__(self, sample_id: object) -> bool:
        return self.has_row(self.ids.known_row(sample_id))

    def has_row(self, row: int) -> bool:
        """Whether the sample of a row has a value."""
        return 0 <= row < len(self._places) and self._places[row] != ABSENT

    def __iter__(self) -> Iterator[str]:
        return (key for key, place in zip(self.ids, self._places, strict=False) if place != ABSENT)

    def __len__(self) -> int:
        return self._count

    def _own(self) -> None:
        """Have places of its own, as they are about to change."""
        if self._is_shared:
            self._places = self._places[:]
            self._is_shared = False

    def _put(self, row: int, place: int) -> None:
        """Have the value of a row in a place of the spool, or nowhere; whoever is interrupted has the old one or it."""
        before = self._places[row]
        count = self._count + (place != ABSENT) - (before != ABSENT)
        waste = self._waste + (len(self.spool.read(before)) if before != ABSENT else 0)
        self._places[row], self._count, self._waste = place, count, waste
        self._move_if_worthwhile()

    def _move_if_worthwhile(self) -> None:
        """Drop what was replaced, where that is most of the spool: all values move in one step, or none does."""
        if self._waste <= max(LEAST_WASTE, self.spool.size // 2):
            return
        spool, places = RecordSpool(self.ids.folder), self._places[:]
        for row, place in enumerate(places):
            if place != ABSENT:
                places[row] = spool.append(self.spool.read(place))
        self.spool, self._places, self._waste = spool, places, 0


class TextTable(SpooledTable[str]):
    """Texts by sample id, as UTF-8."""

    @staticmethod
    def pack(value: str) -> bytes:
        """Return a text in UTF-8, which has a form here for half a surrogate pair too."""
        return value.encode("utf-8", "surrogatepass")

    @staticmethod
    def unpack(data: bytes) -> str:
        """Return the text."""
        return data.decode("utf-8", "surrogatepass")


class CountsTable(SpooledTable[Mapping[str, int]]):
    """By sample id how often each of some texts came, as JSON."""

    @staticmethod
    def pack(value: Mapping[str, int]) -> bytes:
        """Return the texts and their counts, in their order."""
        return json.dumps(dict(value)).encode()

    @staticmethod
    def unpack(data: bytes) -> Mapping[str, int]:
        """Return the texts with their counts, in the order that they had."""
        counts: dict[str, int] = json.loads(data)
        return counts


class IdSet(MutableSet[str]):
    """A set of sample ids."""

    def __init__(self, ids: SampleIds, members: Iterable[str] = ()) -> None:
        self.ids = ids
        self._is_member = bytearray()  # by row
        self._count = 0
        self.update(members)

    def update(self, values: Iterable[str]) -> None:
        """Add ids."""
        if isinstance(values, IdSet) and values.ids is self.ids and not self._count:
            self._is_member, self._count = values._is_member[:], values._count
            return
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Add an id."""
        row = self.ids.row(value)
        if row >= len(self._is_member):
            self._is_member.extend(bytes(max(len(self.ids), row + 1) - len(self._is_member)))
        self._is_member[row], self._count = True, self._count + (not self._is_member[row])

    def discard(self, value: str) -> None:
        """Remove an id, if it is a member."""
        if value in self:
            self._is_member[self.ids.known_row(value)], self._count = False, self._count - 1

    def __contains__(self, value: object) -> bool:
        return self.has_row(self.ids.known_row(value))

    def has_row(self, row: int) -> bool:
        """Whether the id of a row is a member."""
        return 0 <= row < len(self._is_member) and self._is_member[row] != 0

    def __iter__(self) -> Iterator[str]:
        return (key for key, is_member in zip(self.ids, self._is_member, strict=False) if is_member)

    def __len__(self) -> int:
        return self._count

    @classmethod
    def _from_iterable(cls, it: Iterable[Key]) -> set[Key]:
        return set(it)


class Union(Set[str]):
    """All ids that are in any of some sets, which are asked and not copied."""

    def __init__(self, *parts: Set[str]) -> None:
        self._parts = parts

    def __contains__(self, value: object) -> bool:
        return any(value in part for part in self._parts)

    def __iter__(self) -> Iterator[str]:
        for number, part in enumerate(self._parts):
            yield from (key for key in part if not any(key in before for before in self._parts[:number]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, it: Iterable[Key]) -> set[Key]:
        return set(it)


def fill(numbers: array[int], row: int, value: int, rows: int) -> None:
    """Make room for a row, where there is none: for all rows that there are, as the others mostly come too."""
    if row >= len(numbers):
        missing = max(row + 1, rows) - len(numbers)
        numbers.frombytes(array(numbers.typecode, [value]).tobytes() * missing)
