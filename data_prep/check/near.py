"""Finds validation texts that are nearly training texts, by sketches of their words. Knows nothing of samples' tasks.

A text's sketch is the smallest hashes of its three-word shingles (bottom-k sketching, Broder 1997): two texts share as
large a part of their sketches as of their shingles. Candidates that a sketch finds are compared shingle by shingle, and
number by number: in a problem the numbers are the problem, and the words around them a template.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import NamedTuple

from data_prep.cleaning import fold

SHINGLE_WORDS = 3
SKETCH = 16
COMMON = 100  # validation texts
NEAR = 0.7  # Jaccard similarity of the shingles, and of the numbers
FEWEST_WORDS = 8  # shorter texts are alike by chance
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:[.,/:]\d+)*")  # signs, fractions and times belong to it


class _Known(NamedTuple):
    """What is remembered of a validation text."""

    shingles: frozenset[int]
    numbers: Counter[str]


class NearTexts:
    """Validation texts, asked for by training texts; memory grows with the validation split alone."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._by_hash: dict[int, list[str]] = {}

    def add(self, name: str, text: str, whole: str | None = None) -> None:
        """Take a validation text in; its numbers are those of `whole`, of which it may be a part."""
        shingles = _shingles(text)
        if not shingles:
            return
        self._known[name] = _Known(shingles, _numbers(text if whole is None else whole))
        for value in _sketch(shingles):
            self._by_hash.setdefault(value, []).append(name)

    def like(self, text: str, whole: str | None = None) -> tuple[str, float] | None:
        """The name of the validation text that is most like this one and their similarity, if they are near.

        Texts with other numbers are not near, however alike their words are; those of `whole` count, as in `add`.
        """
        shingles = _shingles(text)
        if not shingles or not self._known:
            return None
        # What very many texts share is their template, which tells none of them.
        telling = [names for value in _sketch(shingles) if len(names := self._by_hash.get(value, ())) <= COMMON]
        shared = Counter(name for names in telling for name in names)
        numbers = _numbers(text if whole is None else whole)
        best: tuple[str, float] | None = None
        for name, count in shared.items():
            known = self._known[name]
            if count < len(telling) // 2:
                continue
            similarity = len(shingles & known.shingles) / len(shingles | known.shingles)
            if similarity < NEAR or (best is not None and similarity <= best[1]):
                continue
            if _share_numbers(numbers, known.numbers):
                best = (name, similarity)
        return best


def _numbers(text: str) -> Counter[str]:
    return Counter(_NUMBER.findall(fold(text)))


def _share_numbers(some: Counter[str], others: Counter[str]) -> bool:
    """Whether two texts have as large a part of their numbers in common as near texts have of their words."""
    return (some & others).total() >= NEAR * (some | others).total()


def _shingles(text: str) -> frozenset[int]:
    words = _WORD.findall(fold(text))
    if len(words) < FEWEST_WORDS:
        return frozenset()
    return frozenset(
        zlib.crc32(" ".join(words[start : start + SHINGLE_WORDS]).encode())
        for start in range(len(words) - SHINGLE_WORDS + 1)
    )


def _sketch(shingles: frozenset[int]) -> list[int]:
    return sorted(shingles)[:SKETCH]
