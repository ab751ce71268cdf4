"""CodeBLEU of Python code (Ren et al., 2020), as the first challenge computed it for translations from Java."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.metrics.fbc1.counts import (
    Counted,
    Fbc1Mode,
    SampleNote,
    missing_and_surplus,
    require_object,
)
from evaluation.metrics.fbc1.data_flow import flow_counts
from evaluation.metrics.fbc1.errors import UnscorableError
from evaluation.metrics.fbc1.ngrams import bleu, ngram_counts, precision_counts, recall_counts
from evaluation.metrics.fbc1.python_trees import syntax_counts

PARTS = ("ngram", "weighted_ngram", "syntax", "dataflow")
WEIGHT = 0.25
"""Of each part in the whole."""


def code_bleu(true: Any, pred: Any) -> dict[str, float]:
    """Return the four parts over the whole corpus, and `code_bleu`, their mean, as the published script has them.

    Args:
        true: {id: code}.
        pred: {id: code}; surplus ones are ignored. Comments and docstrings count.

    Raises:
        UnscorableError: if a prediction is missing or no text, or there is no truth.
        GrammarMissingError: if tree-sitter's grammar of Python is not installed.

    """
    return score_parts(count_code(true, pred).sums())


def count_code(true: Any, pred: Any, mode: Fbc1Mode = "official") -> Counted:
    """Return what each program adds to the four parts. Raises UnscorableError, GrammarMissingError.

    Strict: a missing program is an empty one, and named (difference 1); the weighted part is a precision, as its
    formula says (2); a subtree of the prediction matches once (3).
    """
    true, pred = require_object(true, "the truth file"), require_object(pred, "the prediction file")
    notes = [] if mode == "official" else missing_and_surplus(true, pred, 1)
    rows = []
    for key, reference in true.items():
        if mode == "official":
            given = _official_code(key, pred)
        else:
            given = pred.get(key, "")
            if not isinstance(given, str):
                notes.append(SampleNote(key, 1, "the prediction is no text", is_fault=True))
                given = ""
        if not isinstance(reference, str):
            raise UnscorableError("the reference is no text", where=key, theirs="AttributeError")
        rows.append(_row(reference, given, mode))
    return Counted(tuple(true), tuple(rows), tuple(notes))


def score_parts(sums: Sequence[float]) -> dict[str, float]:
    """Return the parts and their mean, given sums of `count_code`'s rows."""
    plain, weighted, rest = sums[:10], sums[10:20], sums[20:]
    parts = {
        "ngram": bleu(plain),
        "weighted_ngram": bleu(weighted),
        "syntax": rest[0] / rest[1],
        "dataflow": rest[2] / rest[3] if rest[3] else 0.0,
    }
    return {**parts, "code_bleu": _mean(parts)}


def score_code(sums: Sequence[float]) -> float:
    """Return CodeBLEU alone, given sums of `count_code`'s rows."""
    return score_parts(sums)["code_bleu"]


def _mean(parts: Mapping[str, float]) -> float:
    total = 0.0
    for part in PARTS:
        total += WEIGHT * parts[part]
    return total


def _row(reference: str, given: str, mode: Fbc1Mode) -> tuple[float, ...]:
    words, given_words = reference.split(), given.split()
    weighted = recall_counts if mode == "official" else precision_counts
    return (
        *ngram_counts(words, given_words),
        *weighted(words, given_words),
        *syntax_counts(reference, given, clipped=mode == "strict"),
        *flow_counts(reference, given),
    )


def _official_code(key: str, pred: Mapping[str, Any]) -> str:
    if key not in pred:
        raise UnscorableError(
            "there is no prediction",
            "predict every program, or score in mode strict",
            where=key,
            theirs="AssertionError",
        )
    given = pred[key]
    if not isinstance(given, str):
        raise UnscorableError("the prediction is no text", where=key, theirs="AttributeError")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise UnscorableError(
            f"the prediction is no text: {error.reason}", where=key, theirs="UnicodeEncodeError"
        ) from error
    return given
