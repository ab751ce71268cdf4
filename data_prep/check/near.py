"""Finds validation texts that are nearly training texts, by the three-word shingles that they share.

The similarity is that of Jaccard, exact, from products of sparse matrices. Numbers are compared by themselves: in a
problem the numbers are the problem, and the words around them a template.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer

from data_prep.cleaning import fold

SHINGLE_WORDS = 3
COMMON = 100  # validation texts: what more of them share is their template, which makes none of them near
NEAR = 0.7  # Jaccard similarity of the shingles, and of the numbers
FEWEST_WORDS = 8  # shorter texts are alike by chance
BLOCK = 1024  # texts that are asked for at a time: it bounds the memory of the products
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:[.,/:]\d+)*")  # signs, fractions and times belong to it

Sizes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Index:
    """The validation texts: their shingles' hashes, in order, and a row for each text with a one for each it has."""

    hashes: npt.NDArray[np.int32]
    texts: csr_array
    rare: npt.NDArray[np.bool_]  # shingles that few texts have
    by_rare: csr_array  # a row for each rare shingle, with a one for each text
    sizes: Sizes


class NearTexts:
    """Validation texts, asked for by training texts; memory grows with the validation split alone."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._texts: list[str] = []
        self._numbers: list[Counter[str]] = []
        self._index: _Index | None = None

    def add(self, name: str, text: str, whole: str | None = None) -> None:
        """Take a validation text in; its numbers are those of `whole`, of which it may be a part."""
        self._names.append(name)
        self._texts.append(text)
        self._numbers.append(_numbers(text if whole is None else whole))
        self._index = None

    def like(self, texts: Sequence[tuple[str, str]]) -> list[tuple[str, float] | None]:
        """For each (text, whole): the name of the most similar validation text and their similarity, if they are near.

        Texts with other numbers are not near, however alike their words are; those of `whole` count, as in `add`.
        """
        found: list[tuple[str, float] | None] = [None] * len(texts)
        if not (self._names and texts):
            return found
        if self._index is None:
            self._index = _index(self._texts)
        if not len(self._index.hashes):
            return found
        index, shingles = self._index, _VECTORIZER.transform([text for text, _ in texts])
        asked = _known(shingles, index.hashes)
        rare = asked[:, index.rare]
        pairs = (rare @ index.by_rare).tocoo()
        ours, theirs = pairs.coords
        total = np.diff(shingles.indptr)[ours] + index.sizes[theirs]
        most = pairs.data + np.diff(asked.indptr)[ours] - np.diff(rare.indptr)[ours]  # were all the common ones shared
        hopeful = most * (1 + NEAR) >= NEAR * total
        ours, theirs, total = ours[hopeful], theirs[hopeful], total[hopeful]
        shared = asked[ours].multiply(index.texts[theirs]).sum(axis=1)
        similarity = shared / (total - shared)
        for pair in np.lexsort((theirs, -similarity)):
            text, known = ours[pair], theirs[pair]
            if similarity[pair] < NEAR:
                break
            if found[text] is None and _share_numbers(_numbers(texts[text][1]), self._numbers[known]):
                found[text] = (self._names[known], float(similarity[pair]))
        return found


def _index(texts: Sequence[str]) -> _Index:
    shingles = _VECTORIZER.transform(texts)
    hashes, counts = np.unique(shingles.indices, return_counts=True)
    rows, rare = _known(shingles, hashes), counts <= COMMON
    return _Index(hashes, rows, rare, rows[:, rare].T.tocsr(), np.diff(shingles.indptr).astype(np.int64))


def _known(shingles: Any, hashes: npt.NDArray[np.int32]) -> csr_array:
    """The rows with a column for each of the hashes, which are sorted, and none for other shingles."""
    kept = np.isin(shingles.indices, hashes)
    ends = np.concatenate(([0], np.cumsum(kept)))[shingles.indptr]
    places = np.searchsorted(hashes, shingles.indices[kept])
    return csr_array((np.ones(len(places), np.int32), places, ends), shape=(shingles.shape[0], len(hashes)))


def _numbers(text: str) -> Counter[str]:
    return Counter(_NUMBER.findall(fold(text)))


def _share_numbers(some: Counter[str], others: Counter[str]) -> bool:
    """Whether two texts have as large a part of their numbers in common as near texts have of their words."""
    return (some & others).total() >= NEAR * (some | others).total()


def _shingles(text: str) -> list[str]:
    words = _WORD.findall(fold(text))
    if len(words) < FEWEST_WORDS:
        return []
    return [" ".join(words[start : start + SHINGLE_WORDS]) for start in range(len(words) - SHINGLE_WORDS + 1)]


# As many columns as there are: two shingles in one would count as equal.
_VECTORIZER = HashingVectorizer(
    analyzer=_shingles, n_features=2**31 - 1, binary=True, norm=None, alternate_sign=False, dtype=np.int32
)
