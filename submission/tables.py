"""What is known of many samples, by sample id, in a few bytes each: where dicts and sets would take a hundred.

Every table has a row for each id of one `SampleIds`, which they share: an id is held once. Tables iterate in the order
of those ids, and not in the order in which things were put into them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, MutableMapping, MutableSet, Set
from typing import TypeVar

LEAST_WASTE = 1 << 16  # bytes of replaced texts, below which nothing is moved
ABSENT = -1

Key = TypeVar("Key")


class SampleIds:
    """Ids of samples, each with its row from 0 on; others may be added at any time."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._rows: dict[str, int] = {}
        for sample_id in ids:
            self.row(sample_id)

    def row(self, sample_id: str) -> int:
        """Return the row of an id, which is added if it is new."""
        return self._rows.setdefault(sample_id, len(self._rows))

    def known_row(self, sample_id: object) -> int:
        """Return the row of an id, ABSENT if it has none."""
        return self._rows.get(sample_id, ABSENT)  # type: ignore[call-overload]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class TextTable(MutableMapping[str, str]):
    """Texts by sample id, as UTF-8 one behind the other. A copy takes memory only when one of both changes."""

    def __init__(self, ids: SampleIds) -> None:
        self.ids = ids
        self._begins, self._ends = array("q"), array("q")  # in the text, by row; ABSENT without one
        self._text = bytearray()
        self._count = self._waste = 0
        self._is_shared = False  # with a copy

    def copy(self) -> TextTable:
        """Return another table of the same texts."""
        other = TextTable(self.ids)
        self._is_shared = True
        vars(other).update(vars(self))
        return other

    def __getitem__(self, sample_id: str) -> str:
        row = self.ids.known_row(sample_id)
        if not 0 <= row < len(self._begins) or self._begins[row] == ABSENT:
            raise KeyError(sample_id)
        return self._text[self._begins[row] : self._ends[row]].decode("utf-8", "surrogatepass")

    def __setitem__(self, sample_id: str, text: str) -> None:
        self._own()
        row, data = self.ids.row(sample_id), text.encode("utf-8", "surrogatepass")
        _fill(self._begins, row, ABSENT)
        _fill(self._ends, row, ABSENT)
        if self._begins[row] == ABSENT:
            self._count += 1
        else:
            self._waste += self._ends[row] - self._begins[row]
        self._begins[row], self._ends[row] = len(self._text), len(self._text) + len(data)
        self._text += data
        self._move_if_worthwhile()

    def __delitem__(self, sample_id: str) -> None:
        if sample_id not in self:
            raise KeyError(sample_id)
        self._own()
        row = self.ids.known_row(sample_id)
        self._waste += self._ends[row] - self._begins[row]
        self._begins[row] = ABSENT
        self._count -= 1
        self._move_if_worthwhile()

    def __contains__(self, sample_id: object) -> bool:
        row = self.ids.known_row(sample_id)
        return 0 <= row < len(self._begins) and self._begins[row] != ABSENT

    def __iter__(self) -> Iterator[str]:
        return (key for key, begin in zip(self.ids, self._begins, strict=False) if begin != ABSENT)

    def __len__(self) -> int:
        return self._count

    def _own(self) -> None:
        """Have texts of its own, as they are about to change."""
        if self._is_shared:
            self._begins, self._ends, self._text = self._begins[:], self._ends[:], self._text[:]
            self._is_shared = False

    def _move_if_worthwhile(self) -> None:
        """Drop what was replaced, where that is most of the text."""
        if self._waste <= max(LEAST_WASTE, len(self._text) // 2):
            return
        text = bytearray()
        for row, begin in enumerate(self._begins):
            if begin != ABSENT:
                self._begins[row] = len(text)
                text += self._text[begin : self._ends[row]]
                self._ends[row] = len(text)
        self._text, self._waste = text, 0


class IdSet(MutableSet[str]):
    """A set of sample ids."""

    def __init__(self, ids: SampleIds, members: Iterable[str] = ()) -> None:
        self.ids = ids
        self._is_member = bytearray()  # by row
        self._count = 0
        self.update(members)

    def update(self, values: Iterable[str]) -> None:
        """Add ids."""
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Add an id."""
        row = self.ids.row(value)
        if row >= len(self._is_member):
            self._is_member.extend(bytes(max(len(self.ids), row + 1) - len(self._is_member)))
        self._count += not self._is_member[row]
        self._is_member[row] = True

    def discard(self, value: str) -> None:
        """Remove an id, if it is a member."""
        if value in self:
            self._is_member[self.ids.known_row(value)] = False
            self._count -= 1

    def __contains__(self, value: object) -> bool:
        row = self.ids.known_row(value)
        return 0 <= row < len(self._is_member) and bool(self._is_member[row])

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


def _fill(numbers: array[int], row: int, value: int) -> None:
    """Make room for a row."""
    if row >= len(numbers):
        numbers.extend([value] * (row + 1 - len(numbers)))
