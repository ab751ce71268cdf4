"""TextQA, MathQA and TRitW against what the organisers' scripts gave: scores, details, whole files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluation.metrics import mathqa, text_recognition, textqa
from evaluation.metrics.base import TaskMetric
from evaluation.metrics.cases import Case
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.mathqa import MathQA
from evaluation.metrics.text_recognition import TextRecognition
from evaluation.metrics.textqa import TextQA
from tests.evaluation.metrics.cases import cases_of_files, golden

METRICS: dict[str, type[TaskMetric]] = {"textqa": TextQA, "mathqa": MathQA, "text_recognition": TextRecognition}
OFFICIAL = {module.__name__.rsplit(".", 1)[1]: module.official_details for module in (textqa, mathqa, text_recognition)}
STRICT = {module.__name__.rsplit(".", 1)[1]: module.strict_details for module in (textqa, mathqa, text_recognition)}


@pytest.mark.parametrize("part", ["cases", "random"])
@pytest.mark.parametrize("task", METRICS)
def test_scores_and_mean_are_the_organisers(task: str, part: str, tmp_path: Path) -> None:
    expected = golden(f"{task}_{part}")
    metric = METRICS[task](mode="official")
    cases = cases_of_files(tmp_path, expected["gt"], expected["pred"])
    metric.update(cases, range(len(cases)))
    assert metric.result().samples == pytest.approx(expected["scores"], abs=1e-12)
    assert metric.result().score == pytest.approx(expected["mean"], abs=1e-12)


@pytest.mark.parametrize("part", ["cases", "random"])
@pytest.mark.parametrize("task", ["textqa", "mathqa"])
def test_normal_forms_and_replacing_letters_are_the_organisers(task: str, part: str) -> None:
    expected = golden(f"{task}_{part}")
    for sample_id, truth in expected["gt"].items():
        wanted = expected["details"][sample_id]
        found = OFFICIAL[task](wanted["pred_text"], truth[0]["content"])
        assert {
            "pred_text": wanted["pred_text"],
            "pred_normal": found.answer_form,
            "refs_normal": list(found.reference_forms),
            "f1_before_fallback" if task == "textqa" else "em_before_fallback": pytest.approx(
                float(found.own_score), abs=1e-12
            ),
            "fallback_letter": found.letter,
        } == wanted, sample_id


@pytest.mark.parametrize("part", ["cases", "random"])
def test_edit_distances_are_the_organisers(part: str) -> None:
    expected = golden(f"text_recognition_{part}")
    for sample_id, truth in expected["gt"].items():
        wanted = expected["details"][sample_id]
        found = text_recognition.official_details(wanted["pred_text"], truth[0]["content"])
        assert list(found.distances) == wanted["distances"], sample_id
        assert list(found.similarities) == pytest.approx(wanted["per_ref"], abs=1e-12), sample_id


def score(metric: TaskMetric, cases: Sequence[Case]) -> float:
    metric.update(cases, range(len(cases)))
    return metric.result().score


# What is settled before a metric sees cases: surplus ids by joining the files.
SETTLED_BEFORE = ("extra_prediction",)

RUNS = [
    pytest.param(run, id=f"{run['task']}-{run['name']}")
    for run in golden("whole_file_runs")["runs"]
    if run["task"] in METRICS and run["name"] not in SETTLED_BEFORE
]


@pytest.mark.parametrize("run", RUNS)
def test_a_whole_file_comes_out_as_with_the_organisers(run: dict[str, Any], tmp_path: Path) -> None:
    truths, predictions = (run.get(f"raw_{name}", run.get(name, {})) for name in ("gt", "pred"))
    outcome = run["outcome"]
    metric = METRICS[run["task"]](mode="official")
    cases = cases_of_files(tmp_path, truths, predictions)
    if "raises" in outcome:
        with pytest.raises(AttemptAbortedError):
            score(metric, cases)
        return
    assert score(metric, cases) == pytest.approx(outcome["value"], abs=1e-12)
    is_swallowed = "printed" in outcome
    if cases:
        assert [note.defect for note in metric.result().notes if note.voids_task] == [1] * is_swallowed
        assert metric.result().samples == pytest.approx(
            dict.fromkeys((case.id for case in cases), 0.0) if is_swallowed else outcome["scores"], abs=1e-12
        )


@pytest.mark.parametrize("task", METRICS)
def test_the_mixed_file_gives_each_task_its_score(task: str, tmp_path: Path) -> None:
    expected = golden("mixed/expected")
    ids = expected["keys_per_task"][task]
    truths, predictions = golden("mixed/ground_truth"), golden("mixed/predictions")
    metric = METRICS[task](mode="official")
    cases = cases_of_files(tmp_path, {i: truths[i] for i in ids}, {i: predictions[i] for i in ids})
    metric.update(cases, range(len(cases)))
    assert metric.result().score == pytest.approx(expected["results"][task], abs=1e-12)


# The plain reading deletes a hyphen; the rules of mode strict leave a space in its place, so that the words match.
STRICT_BY_ITSELF = {"юго западный ветер": 1.0}

DEFECTS = [
    pytest.param(case, id=f"{case['task']}-{case['shows']}")
    for case in golden("defect_cases")["cases"]
    if case["task"] in METRICS
]


@pytest.mark.parametrize("case", DEFECTS)
def test_where_the_code_and_the_rules_part(case: dict[str, Any]) -> None:
    task, answer, references = case["task"], case["pred"], case["refs"]
    assert math.isclose(OFFICIAL[task](answer, references).score, case["official"], abs_tol=1e-12)
    by_the_rules = STRICT_BY_ITSELF.get(answer, case["by_the_rules"])
    if by_the_rules is not None:
        assert math.isclose(STRICT[task](answer, references).score, by_the_rules, abs_tol=1e-12)
