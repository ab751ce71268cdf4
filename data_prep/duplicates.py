"""Counts equal samples among millions by eight-byte digests in files.

Memory is bounded: digests are taken in ranges of their value, each small enough to be sorted in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

DIGEST_BYTES = 8
BLOCK = 1 << 18  # digests in memory at a time, more or less: they are spread evenly

Digests = npt.NDArray[np.uint64]


def digest(content: str) -> bytes:
    """The digest of a sample's content. Two of ten million different contents are alike once in 400,000 times."""
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def count_repeated(file: Path) -> int:
    """How many of a file's digests have stood before: samples minus distinct samples."""
    ranges = _ranges(file)
    return sum(len(values) - len(np.unique(values)) for values in _by_range(file, ranges))


def count_shared(first: Path, second: Path) -> int:
    """How many of the second file's digests stand in the first one too."""
    ranges = max(_ranges(first), _ranges(second))
    pairs = zip(_by_range(first, ranges), _by_range(second, ranges), strict=True)
    return sum(int(np.isin(values, known).sum()) for known, values in pairs)


def _ranges(file: Path) -> int:
    return max(1, -(-file.stat().st_size // (DIGEST_BYTES * BLOCK)))


def _by_range(file: Path, ranges: int) -> Iterator[Digests]:
    """Yield the digests of one range of values after the other, reading the file once for each."""
    width = (1 << 64) // ranges + 1
    for number in range(ranges):
        low, high = number * width, min((number + 1) * width, 1 << 64) - 1
        parts = [block[(block >= np.uint64(low)) & (block <= np.uint64(high))] for block in _blocks(file)]
        yield np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _blocks(file: Path) -> Iterator[Digests]:
    with open(file, "rb") as stream:
        while data := stream.read(DIGEST_BYTES * BLOCK):
            yield np.frombuffer(data, "<u8")
