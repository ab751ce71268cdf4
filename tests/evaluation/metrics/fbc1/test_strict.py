"""Mode strict: what the rules of 2021 say where the published scripts do otherwise."""

from typing import Any

import pytest

from evaluation.metrics.fbc1 import UnscorableError
from evaluation.metrics.fbc1.counts import ratio
from evaluation.metrics.fbc1.detection import count_boxes, f1
from evaluation.metrics.fbc1.handwriting import count_readings
from evaluation.metrics.fbc1.questions import count_answers, strict_form

BOX = [10, 10, 20, 20]
NEAR = [11, 11, 20, 20]
FAR = [80, 80, 5, 5]


def boxes(*given: Any) -> dict[str, Any]:
    return {"a": {"x": list(given)}}


@pytest.mark.parametrize(
    ("note", "true", "pred", "official", "strict"),
    [
        ("equal neighbours are two", boxes(BOX), boxes(BOX, BOX), (1, 0, 0), (2, 0, 0)),
        ("one true box is hit twice", boxes(BOX), boxes(BOX, NEAR), (2, 0, 0), (2, 0, 0)),
        ("a true box that nothing hits is not missed", boxes(BOX, FAR), boxes(BOX, NEAR), (2, 0, 0), (2, 0, 0)),
        ("fewer predictions", boxes(BOX, FAR), boxes(NEAR), (1, 0, 1), (1, 0, 1)),
        ("no width", boxes(BOX), boxes([10, 10, 0, 20]), (0, 1, 0), (0, 1, 0)),
        ("nothing", boxes(), boxes([]), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_boxes(note: str, true: Any, pred: Any, official: tuple[int, ...], strict: tuple[int, ...]) -> None:
    assert count_boxes(true, pred).rows == (official,)
    assert count_boxes(true, pred, "strict").rows == (strict,)


@pytest.mark.parametrize(
    ("pred", "row", "noted"),
    [
        ({}, (0, 0, 1), "there is no prediction"),
        ({"a": {}}, (0, 0, 1), "the prediction of 'x' is missing, or no list"),
        ({"a": []}, (0, 0, 1), "the prediction is no JSON object"),
        ({"a": {"x": None}}, (0, 0, 1), "the prediction of 'x' is missing, or no list"),
        ({"a": {"x": [["1", 2, 3, 4]]}}, (0, 1, 0), "1 of the boxes of 'x' are no boxes"),
        ({"a": {"x": [[float("nan"), 2, 3, 4]]}}, (0, 1, 0), "1 of the boxes of 'x' are no boxes"),
        ({"a": {"x": [[10**400, 2, 3, 4]]}}, (0, 1, 0), "1 of the boxes of 'x' are no boxes"),
        ({"a": {"x": [BOX]}, "b": {}}, (1, 0, 0), "nobody asked for this prediction"),
    ],
)
def test_boxes_that_stop_theirs_are_named(pred: Any, row: tuple[int, ...], noted: str) -> None:
    counted = count_boxes(boxes(BOX), pred, "strict")
    assert counted.rows == (row,)
    assert [note.message for note in counted.notes][-1:] == [noted]


def test_readings() -> None:
    true = {"0": "дом", "1": "", "2": 1, "3": "ёж"}
    pred = {"0": "дом", "2": True, "3": None, "4": "x"}
    assert ratio(count_readings(true, pred).sums()) == 0.75
    counted = count_readings(true, pred, "strict")
    assert ratio(counted.sums()) == 0.25
    assert [(note.sample_id, note.is_fault) for note in counted.notes] == [
        ("1", True),
        ("4", False),
        ("2", True),
        ("3", True),
    ]


@pytest.mark.parametrize(
    ("truth", "language", "given", "official", "strict"),
    [
        ("коты", "ru", "коты", 0, 1),  # the truth is brought to the normal form too
        ("x-ray", "en", "x-ray", 0, 1),
        ("The red cat", "en", "red cat", 0, 1),
        ("a b", "en", "a_b", 0, 1),
        ("двадцать пять", "ru", "25", 0, 1),
        ("don't", "en", "Don't!", 1, 1),
        ("dog", "en", "cat", 0, 0),
    ],
)
def test_answers(truth: str, language: str, given: str, official: float, strict: float) -> None:
    true, pred = {"0": {"lang": language, "answer": truth}}, {"0": given}
    assert count_answers(true, pred).rows == ((official, 1.0),)
    assert count_answers(true, pred, "strict").rows == ((strict, 1.0),)


def test_answers_that_stop_theirs_are_named() -> None:
    question = {"lang": "ru", "answer": "кот"}
    counted = count_answers({"0": question, "1": question, "2": question}, {"0": "кот", "1": None, "9": "x"}, "strict")
    assert [row[0] for row in counted.rows] == [1, 0, 0]
    assert [(note.sample_id, note.is_fault) for note in counted.notes] == [("2", True), ("9", False), ("1", True)]
    assert strict_form("\U00017000", "ru") == "\U00017000"


@pytest.mark.parametrize("count", [count_boxes, count_readings, count_answers])
@pytest.mark.parametrize("mode", ["official", "strict"])
@pytest.mark.parametrize(("true", "pred"), [([], {}), ({}, []), (None, None), ("a", "b")])
def test_what_is_no_object(count: Any, mode: Any, true: Any, pred: Any) -> None:
    with pytest.raises(UnscorableError, match="no JSON object"):
        count(true, pred, mode)


def test_f1_of_sums() -> None:
    assert f1([2, 1, 1]) == pytest.approx(2 / 3)
