"""What a score of the first challenge is made of: counts a sample, which add up, and notes.

All four scores are functions of sums over samples, so that resampling adds rows up and scores the sums again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from evaluation.metrics.fbc1.errors import UnscorableError

Fbc1Mode: TypeAlias = Literal["official", "strict"]


@dataclass(frozen=True, slots=True)
class SampleNote:
    """What struck a sample: `difference` is the number in DIFFERENCES.md; `is_fault` marks what cost it its score."""

    sample_id: str
    difference: int
    message: str
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of each sample, in the truth's order.

    Attributes:
        ids: the samples.
        rows: their counts; what each column holds is the metric's own business.
        notes: what struck which sample.

    """

    ids: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    notes: tuple[SampleNote, ...] = field(default=())

    def sums(self) -> list[float]:
        """Return the sum of each column, added in order. Raises UnscorableError without samples."""
        if not self.rows:
            raise UnscorableError("there is no sample to score", theirs="ZeroDivisionError")
        return [sum(column) for column in zip(*self.rows, strict=True)]


def require_object(value: Any, what: str, theirs: str = "TypeError") -> Mapping[str, Any]:
    """Return a JSON object as it is. Raises UnscorableError if the value is none."""
    if not isinstance(value, Mapping):
        raise UnscorableError(f"{what} is no JSON object", "write {id: ...}", theirs=theirs)
    return value


def require_same_keys(true: Mapping[str, Any], pred: Mapping[str, Any], what: str) -> None:
    """Raise UnscorableError unless both have the same keys."""
    missing, surplus = sorted(true.keys() - pred.keys()), sorted(pred.keys() - true.keys())
    if missing or surplus:
        named = ", ".join([*(f"no {key}" for key in missing[:3]), *(f"surplus {key}" for key in surplus[:3])])
        raise UnscorableError(
            f"the {what} of the predictions are not those of the truth ({named})",
            "predict each of them and no others, or score in mode strict",
            theirs="AssertionError",
        )


def missing_and_surplus(true: Mapping[str, Any], pred: Mapping[str, Any], difference: int) -> list[SampleNote]:
    """Return a note for each sample without a prediction, and for each prediction without a sample."""
    missing = [SampleNote(key, difference, "there is no prediction", is_fault=True) for key in true if key not in pred]
    return missing + [
        SampleNote(key, difference, "nobody asked for this prediction") for key in pred if key not in true
    ]


def ratio(sums: Sequence[float]) -> float:
    """Return the score of metrics that count (right, all)."""
    right, all_ = sums
    return right / all_
