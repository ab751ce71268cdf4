"""Some of very many entries, by their places: where lists of the entries would take hundreds of bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import TypeVar, overload

Entry = TypeVar("Entry")


class Selection(Sequence[Entry]):
    """Entries of a sequence, by their places in it: four bytes each. Slices share them.

    An entry is taken from the sequence each time that it is asked for, which may make it anew.
    """

    __slots__ = ("_places", "entries")

    def __init__(self, entries: Sequence[Entry], places: Sequence[int]) -> None:
        """`entries`: no `Selection`; `places`: of those that are meant, in order."""
        self.entries, self._places = entries, places

    @classmethod
    def of(cls, entries: Sequence[Entry], numbers: Iterable[int] | None = None) -> Selection[Entry]:
        """The entries of a sequence with some numbers, or all of them, where it may be a selection itself."""
        whole = entries if isinstance(entries, Selection) else cls(entries, range(len(entries)))
        if numbers is None:
            return whole
        places = whole._places
        return cls(whole.entries, memoryview(array("I", (places[number] for number in numbers))))

    @property
    def places(self) -> Sequence[int]:
        """Where in the sequence they stand."""
        return self._places

    def that(self, wanted: Iterable[bool]) -> Selection[Entry]:
        """Those of which `wanted` says so, which has something to say of each."""
        return Selection(self.entries, memoryview(array("I", compress(self._places, wanted))))

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Selection[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Selection[Entry]:
        if isinstance(index, slice):
            return Selection(self.entries, self._places[index])
        return self.entries[self._places[index]]

    def __iter__(self) -> Iterator[Entry]:
        return map(self.entries.__getitem__, self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def where(entries: Sequence[Entry], wanted: Callable[[Entry], bool]) -> Selection[Entry]:
    """Those of the entries that are wanted, in their order."""
    whole = Selection.of(entries)
    return whole.that(map(wanted, whole))


def merged(*parts: Selection[Entry]) -> Selection[Entry]:
    """Entries of one sequence that stand in any of at least one part, each once, in the order of the parts."""
    entries = parts[0].entries
    is_taken, places = bytearray(len(entries)), array("I")
    for part in parts:
        assert part.entries is entries
        for place in part.places:
            if not is_taken[place]:
                is_taken[place] = True
                places.append(place)
    return Selection(entries, memoryview(places))
