"""Handwritten text recognition: string accuracy; and the baseline's helpers, character and word error rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evaluation.metrics.fbc1.counts import Counted, Fbc1Mode, SampleNote, missing_and_surplus, ratio, require_object
from evaluation.metrics.fbc1.errors import UnscorableError


def htr_accuracy(true: Any, pred: Any) -> float:
    """Return the share of texts that were read without a mistake, as the published script counts.

    Args:
        true: {id: text}.
        pred: {id: text}; a missing one is an empty text, surplus ones are ignored.

    Raises:
        UnscorableError: if either is no JSON object, or there is no truth.

    >>> htr_accuracy({"0.png": "дом", "1.png": "ёж"}, {"0.png": "дом", "1.png": "еж"})
    0.5

    """
    return ratio(count_readings(true, pred).sums())


def count_readings(true: Any, pred: Any, mode: Fbc1Mode = "official") -> Counted:
    """Return (right, 1) for each text. Raises UnscorableError if either side is no JSON object.

    Official: JSON values are compared as Python does (1 equals true), a missing prediction is an empty text. Strict:
    only texts are right, and a missing one is wrong (difference 4).
    """
    true, pred = require_object(true, "the truth file"), require_object(pred, "the prediction file")
    if mode == "official":
        return Counted(tuple(true), tuple((float(pred.get(key, "") == text), 1.0) for key, text in true.items()))
    rows = tuple((float(isinstance(text, str) and pred.get(key) == text), 1.0) for key, text in true.items())
    notes = missing_and_surplus(true, pred, 4)
    notes += [
        SampleNote(key, 4, "the prediction is no text", is_fault=True)
        for key in true
        if key in pred and not isinstance(pred[key], str)
    ]
    return Counted(tuple(true), rows, tuple(notes))


def cer(pred: Sequence[str], true: Sequence[str]) -> float:
    """Return the character error rate: edits over the truth's characters. Raises UnscorableError as `wer` does.

    >>> cer(["дам"], ["дом"])
    0.3333333333333333
    """
    return _error_rate(pred, true, lambda text: text)


def wer(pred: Sequence[str], true: Sequence[str]) -> float:
    """Return the word error rate: edits of words over the truth's words, which white space separates.

    Raises UnscorableError if the numbers of texts differ, or the truth is empty.
    """
    return _error_rate(pred, true, str.split)


def string_accuracy(pred: Sequence[str], true: Sequence[str]) -> float:
    """Return the share of equal texts. Raises UnscorableError if the numbers differ, or there is none."""
    _require_as_many(pred, true)
    return _share(sum(given == text for given, text in zip(pred, true, strict=True)), len(true))


def _error_rate(pred: Sequence[str], true: Sequence[str], cut: Callable[[str], Sequence[str]]) -> float:
    from rapidfuzz.distance import Levenshtein

    _require_as_many(pred, true)
    pairs = [(cut(given), cut(text)) for given, text in zip(pred, true, strict=True)]
    return _share(sum(Levenshtein.distance(*pair) for pair in pairs), sum(len(text) for _, text in pairs))


def _require_as_many(pred: Sequence[str], true: Sequence[str]) -> None:
    if len(pred) != len(true):
        raise UnscorableError(f"{len(pred)} predictions for {len(true)} texts", theirs="AssertionError")


def _share(part: int, whole: int) -> float:
    if not whole:
        raise UnscorableError("the truth is empty", theirs="ZeroDivisionError")
    return part / whole
