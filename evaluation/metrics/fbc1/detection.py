"""Zero-shot object detection: F1 of boxes, each [x_min, y_min, width, height]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from evaluation.metrics.fbc1.counts import (
    Counted,
    Fbc1Mode,
    SampleNote,
    missing_and_surplus,
    require_object,
    require_same_keys,
)
from evaluation.metrics.fbc1.errors import UnscorableError

Row: TypeAlias = tuple[float, float, float]
"""True positives, false positives, false negatives."""

HIT = 0.5
"""The least IoU at which a prediction counts as right."""


def zsod_f1(true: Any, pred: Any) -> float:
    """Return F1 over all images and labels, as the published script counts.

    Args:
        true: {image: {label: [[x, y, width, height], ...]}}.
        pred: the same; `[[]]` is no box, labels that the truth has not are ignored.

    Raises:
        UnscorableError: if images are missing or surplus, a label is missing, or a box is none.

    >>> zsod_f1({"0.jpg": {"кот": [[0, 0, 10, 10]]}}, {"0.jpg": {"кот": [[0, 0, 10, 9]]}})
    1.0

    """
    return f1(_sums(count_boxes(true, pred)))


def count_boxes(true: Any, pred: Any, mode: Fbc1Mode = "official") -> Counted:
    """Return (true positives, false positives, false negatives) of each image. Raises UnscorableError.

    A predicted box is right if any true one overlaps enough, also one that others hit before; true boxes count as
    missed only as far as there are fewer predictions. Official: equal neighbours are one prediction. Strict: each box
    counts, and what is missing or no box is named (difference 5).
    """
    true, pred = require_object(true, "the truth file"), require_object(pred, "the prediction file")
    notes: list[SampleNote] = []
    if mode == "official":
        require_same_keys(true, pred, "images")
    else:
        notes += missing_and_surplus(true, pred, 5)
    rows = []
    for image, labels in true.items():
        predicted = pred.get(image)
        labels = require_object(labels, f"the truth of {image}", "AttributeError")
        if mode == "official":
            rows.append(_official_row(image, labels, predicted))
        else:
            row, row_notes = _strict_row(image, labels, predicted)
            rows.append(row)
            notes += row_notes
    return Counted(tuple(true), tuple(rows), tuple(notes))


def f1(sums: Sequence[float]) -> float:
    """Return F1 of (true positives, false positives, false negatives); 0 where it is undefined.

    >>> f1((1, 1, 0)), f1((0, 0, 0))
    (0.6666666666666666, 0.0)
    """
    right, wrong, missed = sums
    recall = right / (right + missed) if right + missed > 0 else 0.0
    precision = right / (right + wrong) if right + wrong > 0 else 0.0
    return 2 * precision * recall / (precision + recall) if precision > 0 or recall > 0 else 0.0


def iou(box: Any, other: Any) -> float:
    """Return the intersection over the union of two boxes, each [x_min, y_min, width, height].

    Boxes are not validated: negative sides count with their sign, an undefined quotient is 0. Raises UnscorableError
    if one is not four numbers.

    >>> iou([0, 0, 10, 10], [0, 0, 10, 5])
    0.5
    """
    (left, top, right, bottom), (other_left, other_top, other_right, other_bottom) = _corners(box), _corners(other)
    width = _overlap(left, right, other_left, other_right)
    height = _overlap(top, bottom, other_top, other_bottom)
    shared = width * height
    union = (right - left) * (bottom - top) + (other_right - other_left) * (other_bottom - other_top) - shared
    if union == 0:
        return math.inf if shared > 0 else 0.0
    quotient = shared / union
    return 0.0 if math.isnan(quotient) else quotient


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    # These comparisons, not max and min, decide what becomes of NaN.
    length = (end if end < other_end else other_end) - (start if start > other_start else other_start)
    return 0.0 if length < 0 else float(length)


def _corners(box: Any) -> tuple[float, float, float, float]:
    numbers = isinstance(box, list | tuple) and all(isinstance(value, int | float) for value in box)
    if not numbers or len(box) != 4:
        wrong_length = numbers and len(box) != 4
        raise UnscorableError(
            "a box is not four numbers",
            "write [x_min, y_min, width, height]",
            theirs="ValueError" if wrong_length else "TypeError",
        )
    try:
        x, y, width, height = map(float, box)
    except OverflowError as error:
        raise UnscorableError("a box holds a number too large", theirs="OverflowError") from error
    return x, y, x + width, y + height


def _official_row(image: str, labels: Mapping[str, Any], predicted: Any) -> Row:
    right = wrong = missed = 0
    for label, boxes in labels.items():
        if label not in require_object(predicted, f"the prediction of {image}"):
            raise UnscorableError(f"there is no label {label!r}", where=image, theirs="AssertionError")
        given = [] if predicted[label] == [[]] else predicted[label]
        for side in (given, boxes):
            if not hasattr(side, "__len__"):
                raise UnscorableError(f"the boxes of {label!r} are no list", where=image, theirs="TypeError")
        if not given or not boxes:
            wrong, missed = wrong + len(given), missed + len(boxes)
            continue
        hits = [_hits(box, boxes) for box, _ in groupby(given)]
        right, wrong, missed = right + sum(hits), wrong + hits.count(False), missed + max(0, len(boxes) - len(given))
    return float(right), float(wrong), float(missed)


def _hits(box: Any, boxes: Sequence[Any]) -> bool:
    overlaps = [iou(box, other) for other in boxes]  # of all: one that is no box is an error, wherever it stands
    return any(overlap >= HIT for overlap in overlaps)


def _strict_row(image: str, labels: Mapping[str, Any], predicted: Any) -> tuple[Row, list[SampleNote]]:
    notes: list[SampleNote] = []
    right = wrong = missed = 0
    if predicted is not None and not isinstance(predicted, Mapping):
        notes.append(SampleNote(image, 5, "the prediction is no JSON object", is_fault=True))
    for label, boxes in labels.items():
        if not isinstance(boxes, list):
            raise UnscorableError(f"the truth's boxes of {label!r} are no list", where=image, theirs="TypeError")
        given = predicted.get(label) if isinstance(predicted, Mapping) else []
        if not isinstance(given, list):
            notes.append(SampleNote(image, 5, f"the prediction of {label!r} is missing, or no list", is_fault=True))
            given = []
        given = [] if given == [[]] else given
        sound = [box for box in given if _is_box(box)]
        if len(sound) < len(given):
            notes.append(SampleNote(image, 5, f"{len(given) - len(sound)} of the boxes of {label!r} are no boxes"))
        hits = sum(_hits(box, boxes) for box in sound)
        right, wrong, missed = right + hits, wrong + len(given) - hits, missed + max(0, len(boxes) - len(given))
    return (float(right), float(wrong), float(missed)), notes


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 for value in box)
        and box[2] > 0
        and box[3] > 0
    )


def _sums(counted: Counted) -> list[float]:
    return counted.sums() if counted.rows else [0.0, 0.0, 0.0]  # their F1 of no images is 0
