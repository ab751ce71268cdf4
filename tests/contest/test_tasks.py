"""The twelve tasks and the integral score, against the contest's own table and exact reference numbers."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.errors import Code, ContestError, ContestFileError
from contest.tasks import (
    HIDDEN_TASKS,
    OPEN_TASKS,
    TASKS,
    Task,
    integral_score,
    task_by_id,
    task_by_key,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "metrics" / "integral.json").read_text())

KEYS = ("textqa", "mathqa", "generation", "captioning", "vqa", "text_recognition",
        "hidden1", "hidden2", "hidden3", "hidden4", "hidden5", "hidden6")  # fmt: skip
HALVES = dict.fromkeys(KEYS, 0.5)

# (scores, code of each error, word the message must hold)
BAD_SCORES: tuple[tuple[dict[str, object], list[Code], str], ...] = (
    ({k: v for k, v in HALVES.items() if k != "hidden6"}, [Code.SCORE_MISSING], "hidden6"),
    ({}, [Code.SCORE_MISSING] * 12, "captioning"),
    ({**HALVES, "hidden7": 0.5}, [Code.SCORE_UNKNOWN], "hidden7"),
    ({**HALVES, "TextQA": 0.5}, [Code.SCORE_UNKNOWN], "TextQA"),
    ({**HALVES, "vqa": 1.0000001}, [Code.SCORE_OUT_OF_RANGE], "vqa is 1.0000001"),
    ({**HALVES, "vqa": -1e-9}, [Code.SCORE_OUT_OF_RANGE], "vqa is -1e-09"),
    ({**HALVES, "vqa": float("nan")}, [Code.SCORE_OUT_OF_RANGE], "vqa is nan"),
    ({**HALVES, "vqa": float("inf")}, [Code.SCORE_OUT_OF_RANGE], "vqa is inf"),
    ({**HALVES, "vqa": "0.5"}, [Code.SCORE_OUT_OF_RANGE], "vqa"),
    ({**HALVES, "vqa": True}, [Code.SCORE_OUT_OF_RANGE], "vqa"),
    ({**HALVES, "vqa": None, "mathqa": 2}, [Code.SCORE_OUT_OF_RANGE] * 2, "mathqa is 2"),
)


def test_the_tasks_are_those_of_the_contest() -> None:
    assert tuple(task.key for task in TASKS) == KEYS
    assert tuple(task.id for task in TASKS) == tuple(range(12))
    assert TASKS == OPEN_TASKS + HIDDEN_TASKS
    assert [task.title for task in OPEN_TASKS] == [
        "TextQA", "MathQA", "ImageGeneration", "ImageCaptioning", "VisualQA", "TRitW"
    ]  # fmt: skip
    assert [task.kind for task in OPEN_TASKS] == [
        "text_to_text", "text_to_text", "text_to_image", "image_to_text", "image_to_text", "image_to_text"
    ]  # fmt: skip
    assert [task.baseline for task in TASKS] == [
        0.25, 0.31, 0.28, 0.23, 0.34, 0.36, 0.20, 0.20, 0.27, 0.17, 0.30, 0.11
    ]  # fmt: skip


def test_weights_make_up_one() -> None:
    assert {task.weight for task in OPEN_TASKS} == {Fraction(1, 15)}
    assert {task.weight for task in HIDDEN_TASKS} == {Fraction(1, 10)}
    assert sum(task.weight for task in TASKS) == 1


def test_hidden_tasks_are_variants_of_the_open_ones_in_order() -> None:
    for open_task, hidden in zip(OPEN_TASKS, HIDDEN_TASKS, strict=True):
        assert hidden.variant_of == open_task.key
        assert (hidden.kind, hidden.metric) == (open_task.kind, open_task.metric)
        assert (hidden.threshold, hidden.is_hidden, open_task.is_hidden) == (None, True, False)


def test_thresholds_are_the_golden_bounds() -> None:
    assert {task.key: task.threshold for task in OPEN_TASKS} == GOLDEN["lower_bounds"]


def test_tasks_are_found_by_id_and_key() -> None:
    for task in TASKS:
        assert task_by_id(task.id) is task
        assert task_by_key(task.key) is task


@pytest.mark.parametrize("task_id", [-1, 12])
def test_no_task_of_that_id(task_id: int) -> None:
    with pytest.raises(ContestError, match=f"TASK_UNKNOWN.*{task_id}"):
        task_by_id(task_id)


def test_no_task_of_that_key() -> None:
    with pytest.raises(ContestError, match=r"TASK_UNKNOWN.*'TextQA'.*keys: textqa, mathqa"):
        task_by_key("TextQA")


@pytest.mark.parametrize("changed", [{"baseline": 1.5}, {"threshold": -0.1}, {"threshold": None}, {"weight": 0}])
def test_a_task_is_validated(changed: dict[str, object]) -> None:
    fields = {field: getattr(OPEN_TASKS[0], field) for field in Task.__slots__}
    with pytest.raises(ValueError, match="textqa"):
        Task(**{**fields, **changed})


@pytest.mark.parametrize("case", GOLDEN["integral"], ids=lambda case: case["note"])
def test_the_integral_score_is_the_golden_one(case: dict) -> None:
    scores = {**case["open"], **case["hidden"]}
    assert integral_score(scores) == pytest.approx(float(Fraction(case["S_fraction"])), abs=1e-15)


def test_the_baseline_scores_what_the_contest_printed() -> None:
    assert integral_score({task.key: task.baseline for task in TASKS}) == 0.243


def test_numpy_numbers_are_numbers() -> None:
    assert integral_score(dict.fromkeys(KEYS, np.float32(0.5))) == 0.5


@given(st.fixed_dictionaries({key: st.floats(0, 1) for key in KEYS}), st.permutations(KEYS))
def test_the_integral_score_is_a_mean_that_ignores_order(scores: dict[str, float], order: list[str]) -> None:
    score = integral_score(scores)
    assert min(scores.values()) <= score <= max(scores.values())
    assert integral_score({key: scores[key] for key in order}) == score


@pytest.mark.parametrize(("scores", "codes", "word"), BAD_SCORES)
def test_scores_that_make_no_integral_score(scores: dict, codes: list[Code], word: str) -> None:
    with pytest.raises(ContestFileError) as caught:
        integral_score(scores)
    assert [error.code for error in caught.value.errors] == codes
    assert word in str(caught.value)
