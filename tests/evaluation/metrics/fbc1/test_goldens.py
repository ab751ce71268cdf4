"""Parity with the published scripts of 2021 on every golden case but CodeBLEU's, which have a file of their own."""

import subprocess
import sys
from typing import Any

import pytest

from evaluation.metrics.fbc1 import (
    UnscorableError,
    cer,
    htr_accuracy,
    iou,
    string_accuracy,
    vqa_accuracy,
    wer,
    zsod_f1,
)
from evaluation.metrics.fbc1.questions import CONTRACTIONS, normal_form
from tests.evaluation.metrics.fbc1.goldens import FOLDER, golden, named


def outcome(metric: Any, *arguments: Any) -> float | str:
    """Return the value, or the name of the exception that theirs raises."""
    try:
        return float(metric(*arguments))
    except UnscorableError as error:
        return error.theirs


def expected(case: dict[str, Any]) -> float | str:
    return case["raises"] if "raises" in case else case["value"]


@pytest.mark.parametrize(
    ("name", "metric", "number"), [("htr", htr_accuracy, 24), ("zsod", zsod_f1, 33), ("vqa", vqa_accuracy, 46)]
)
def test_subtasks(name: str, metric: Any, number: int) -> None:
    cases = golden(name)
    assert len(cases) == number
    wrong = [
        (case["note"], outcome(metric, case["true"], case["pred"]), expected(case))
        for case in cases
        if outcome(metric, case["true"], case["pred"]) != expected(case)
    ]
    assert wrong == []


@pytest.mark.parametrize("case", named(golden("iou")))
def test_iou(case: dict[str, Any]) -> None:
    assert iou(case["box_xywh"], case["other_xywh"]) == case["value"]


def test_normal_forms_of_answers() -> None:
    forms = [
        (normal_form(case["pred"][key], case["true"][key]["lang"]), form)
        for case in golden("vqa")
        for key, form in (case["normal_form_of_prediction"] or {}).items()
    ]
    assert len(forms) > 80
    assert [pair for pair in forms if pair[0] != pair[1]] == []


@pytest.mark.parametrize("case", named(golden("cer_wer")))
def test_error_rates(case: dict[str, Any]) -> None:
    for name, metric in (("cer", cer), ("wer", wer), ("string_accuracy", string_accuracy)):
        assert outcome(metric, case["pred"], case["true"]) == expected(case[name]), name


def test_contractions_are_those_of_the_table() -> None:
    pairs = {"couldntve": None, "couldnt've": "couldn't've", "yall'd've": "y'all'd've", "y'allll": "y'all'll"}
    pairs |= {
        "somebody'd": "somebodyd",
        "'ow'sat": "'ow's'at",
        "twas": "'twas",
        "wed": None,
        "shed": None,
        "dont": "don't",
    }
    assert {word: CONTRACTIONS.get(word) for word in pairs} == pairs
    assert (
        len(CONTRACTIONS) == 114
    )  # theirs, without the six that change nothing: capital I, and words that map to themselves


def test_importing_loads_neither_parsers_nor_torch() -> None:
    heavy = "{'torch', 'numpy', 'tree_sitter', 'pymorphy3'}"
    code = f"import sys, evaluation.metrics.fbc1; print(sorted({heavy} & sys.modules.keys()))"
    root = FOLDER.parents[2]
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert printed.stdout == "[]\n"
