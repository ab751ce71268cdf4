"""What the organisers' splitting of the whole files raises on, before anything is evaluated (difference 24).

Their step walks every entry from place 0 up to its first picture, asks each item for its type, cuts the picture's
path, and writes the entry into the file of its task as UTF-8. It never looks at texts, so that an entry it takes can
still be one that the evaluation stops at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contest.checking import described, holds_half_surrogate
from contest.ground_truth import GroundTruth
from contest.predictions import ParsedPredictions
from evaluation.metrics.errors import SPLITTING_DEFECT, TRUTH_DEFECT, AttemptAbortedError

HALF_SURROGATE = "half a surrogate pair stands in it, which can not be written as UTF-8"


def require_splittable(ids: Iterable[str], answers: ParsedPredictions, truths: Mapping[str, GroundTruth]) -> None:
    """Raise AttemptAbortedError for the first sample whose answer or ground truth the splitting raises on."""
    for key in ids:
        fault = None
        if key in answers.invalid:
            fault = splitting_fault(answers.invalid[key])
        if fault is None and key in answers.unwritable:
            fault = HALF_SURROGATE
        if fault is not None:
            raise _stopped(f"the splitting of the files raises on the answer: {fault}", key)
        fault = truth_fault(truths[key])
        if fault is not None:
            message = f"the splitting of the files raises on the ground truth: {fault}"
            if truths[key].unsound is not None:
                raise AttemptAbortedError(message, sample_id=key, defect=TRUTH_DEFECT)
            raise _stopped(message, key)


def splitting_fault(entry: Any) -> str | None:
    """Return why the splitting raises on an entry as JSON has it; None if it does not.

    >>> splitting_fault([{"type": "text", "content": "кот"}, None])
    'item 1 is null, not an object'
    >>> splitting_fault([{"type": "text"}]), splitting_fault([]), splitting_fault({})
    (None, None, None)
    """
    if not isinstance(entry, list | dict | str):
        return f"it is {described(entry)}, not a list of items"
    if not isinstance(entry, list):
        return f"it is {described(entry)}, not a list of items" if entry else None
    for place, item in enumerate(entry):
        if not isinstance(item, dict):
            return f"item {place} is {described(item)}, not an object"
        if "type" not in item:
            return f"item {place} has no type"
        if item["type"] == "image":
            if "content" not in item:
                return f"item {place} is a picture without content"
            content = item["content"]
            return None if isinstance(content, str) else f"the picture's path, item {place}, is {described(content)}"
    return None


def truth_fault(truth: GroundTruth) -> str | None:
    """Return why the splitting raises on a ground truth; None if it does not."""
    if truth.unsound is not None:
        if (fault := splitting_fault(truth.unsound.value)) is not None:
            return fault
        surrogate = holds_half_surrogate(truth.unsound.value)
        return HALF_SURROGATE if surrogate else None
    if truth.is_bare_item:
        return "it is one item, not a list of items"
    first = next((item for item in truth.items if item.type == "image"), None)
    return None if first is None or first.is_bare_string else "its picture's path stands in a list"


def _stopped(message: str, sample_id: str) -> AttemptAbortedError:
    return AttemptAbortedError(message, sample_id=sample_id, defect=SPLITTING_DEFECT)
