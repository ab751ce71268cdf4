"""The first two parts of CodeBLEU: BLEU, and its twin in which Python's keywords weigh more.

Words are what white space separates, so nothing is split off punctuation. Counts of a pair are ten numbers, which add
up over a corpus: matched n-grams for n of 1 to 4, all n-grams, and the lengths of reference and prediction.
"""

from __future__ import annotations

import keyword
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

Words: TypeAlias = Sequence[str]
Grams: TypeAlias = Counter[tuple[str, ...]]

KEYWORDS = frozenset(keyword.kwlist)
"""Python's keywords: those of the organisers' list, which no version since 3.7 has added to."""

ORDERS = (1, 2, 3, 4)
EPSILON = 0.1
"""Stands for a numerator of 0 (NLTK's first smoothing method)."""
PLAIN_WEIGHT = 0.2
"""Of a word that is no keyword, in the weighted part; a keyword and any longer n-gram weigh 1."""

# Their weighted part measures a reference where it holds the pair (words, weights): every reference is two long, so
# that only predictions of a single word are penalised for brevity.
_LENGTH_OF_A_PAIR = 2


def ngram_counts(reference: Words, prediction: Words) -> list[float]:
    """Return the counts of BLEU: n-grams of the prediction, clipped to those of the reference.

    >>> bleu(ngram_counts("a b c d".split(), "a b c d".split())), bleu(ngram_counts(["a"], ["b"]))
    (1.0, 0.0)
    """
    return _counts(reference, prediction, Counter.total, lambda expected, given: given)


def recall_counts(reference: Words, prediction: Words) -> list[float]:
    """Return the counts of the published weighted part: over the reference's n-grams."""
    counts = _counts(reference, prediction, _weight, lambda expected, given: expected)
    return [*counts[:8], _LENGTH_OF_A_PAIR, counts[9]]


def precision_counts(reference: Words, prediction: Words) -> list[float]:
    """Return the counts of the weighted part by its formula: over the prediction's n-grams."""
    return _counts(reference, prediction, _weight, lambda expected, given: given)


def bleu(counts: Sequence[float]) -> float:
    """Return the geometric mean of the shares, with the penalty for brevity; 0 if no word matches."""
    matched, all_, (expected_length, length) = counts[:4], counts[4:8], counts[8:]
    if not matched[0]:
        return 0.0
    penalty = 1.0 if length > expected_length else math.exp(1 - expected_length / length)
    logarithms = [math.log((part or EPSILON) / whole) for part, whole in zip(matched, all_, strict=True)]
    return penalty * math.exp(math.fsum(value / len(ORDERS) for value in logarithms))


def _counts(
    reference: Words,
    prediction: Words,
    size: Callable[[Grams], float],
    whole: Callable[[Grams, Grams], Grams],
) -> list[float]:
    pairs = [(_grams(reference, order), _grams(prediction, order)) for order in ORDERS]
    matched = [size(expected & given) for expected, given in pairs]
    return [*matched, *(max(1, size(whole(*pair))) for pair in pairs), len(reference), len(prediction)]


def _grams(words: Words, order: int) -> Grams:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))


def _weight(grams: Grams) -> float:
    return sum(count * (1 if len(gram) > 1 or gram[0] in KEYWORDS else PLAIN_WEIGHT) for gram, count in grams.items())
