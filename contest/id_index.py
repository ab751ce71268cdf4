"""Finds ids in a sequence that does not hold them as strings, in nine bytes an id."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate

ABSENT = -1
_HASH = (1 << 32) - 1  # the bits of a hash that are kept: ids with equal ones are compared


class IdIndex:
    """The rows of ids in a sequence, which is asked again at each look-up: sorted by the first bits of their hashes."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        hashes = array("I", (hash(sample_id) & _HASH for sample_id in ids))
        bits = max(len(hashes) // 4, 1).bit_length()
        self._shift = 32 - bits
        counts = array("I", bytes(4 << bits))
        for kept in hashes:
            counts[kept >> self._shift] += 1
        self._begins = array("I", accumulate(counts, initial=0))
        places = self._begins[:]
        self._rows, self._hashes = array("I", bytes(4 * len(hashes))), array("I", bytes(4 * len(hashes)))
        for row, kept in enumerate(hashes):
            place = places[kept >> self._shift]
            places[kept >> self._shift] += 1
            self._rows[place], self._hashes[place] = row, kept

    def __len__(self) -> int:
        return len(self._rows)

    def has_repeated(self) -> bool:
        """Whether some id stands twice."""
        for begin, end in zip(self._begins, self._begins[1:], strict=False):
            if end - begin > len(set(self._hashes[begin:end])):
                ids = [self._ids[row] for row in self._rows[begin:end]]
                if len(set(ids)) < len(ids):
                    return True
        return False

    def row(self, sample_id: object) -> int:
        """Return the row of an id, ABSENT if it has none."""
        if not isinstance(sample_id, str):
            return ABSENT
        return next((row for row in self._with_hash(hash(sample_id) & _HASH) if self._ids[row] == sample_id), ABSENT)

    def _with_hash(self, kept: int) -> Iterator[int]:
        begin, end = self._begins[kept >> self._shift], self._begins[(kept >> self._shift) + 1]
        return (row for row, known in zip(self._rows[begin:end], self._hashes[begin:end], strict=True) if known == kept)
