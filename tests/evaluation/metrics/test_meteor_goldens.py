"""VisualQA and the METEOR half of captioning against what the organisers' scripts gave: scores, details, files."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evaluation.metrics import captioning, vqa
from evaluation.metrics.captioning import Captioning
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.meteor_tasks import TextComparison
from evaluation.metrics.vqa import VisualQA
from evaluation.metrics.wordnet import load_wordnet
from tests.evaluation.metrics.cases import GOLDEN, cases_of_files, golden
from tests.evaluation.metrics.fake_clip import FakeClip
from tests.evaluation.metrics.picture_cases import sample

STUB = load_wordnet(GOLDEN / "wordnet_stub.db")
MODULES = {"vqa": vqa, "captioning": captioning}
OFFICIAL: dict[str, Callable[[str, str], TextComparison]] = {
    task: partial(module.official_comparison, wordnet=STUB) for task, module in MODULES.items()
}
STRICT: dict[str, Callable[[str, str], TextComparison]] = {
    task: partial(module.strict_comparison, wordnet=STUB) for task, module in MODULES.items()
}


@pytest.mark.parametrize("part", ["cases", "random"])
@pytest.mark.parametrize("task", MODULES)
def test_scores_and_mean_are_the_organisers(task: str, part: str, tmp_path: Path) -> None:
    expected = golden(f"{task}_{part}")
    cases = cases_of_files(tmp_path, expected["gt"], expected["pred"])
    scores, _ = MODULES[task].score_cases(cases, "official", STUB)
    assert dict(zip([case.id for case in cases], scores, strict=True)) == pytest.approx(expected["scores"], abs=1e-12)
    assert math.fsum(scores) / len(scores) == pytest.approx(expected["mean"], abs=1e-12)


def first_text(items: list[dict[str, str]]) -> str | None:
    return next((item["content"] for item in items if item["type"] == "text"), None)


@pytest.mark.parametrize("part", ["cases", "random"])
@pytest.mark.parametrize("task", MODULES)
def test_tokens_and_matches_are_the_organisers(task: str, part: str) -> None:
    expected = golden(f"{task}_{part}")
    for sample_id, truth in expected["gt"].items():
        answer = first_text(expected["pred"][sample_id])
        for reference, wanted in zip(truth[0]["content"], expected["details"][sample_id], strict=False):
            assert answer is not None
            assert described(OFFICIAL[task](answer, reference), wanted) == wanted, sample_id


def described(found: TextComparison, wanted: dict[str, Any]) -> dict[str, Any]:
    """What was found in the words of the golden files, as far as they tell it for this pair."""
    aligned = found.alignment
    matched = bool(aligned and aligned.matches)
    told: dict[str, Any] = {
        "hyp_lemma": found.answer_form,
        "ref_lemma": found.reference_form,
        "hyp_clean": found.answer_form,
        "ref_clean": found.reference_form,
        "hyp_tokens": list(found.answer_tokens),
        "ref_tokens": list(found.reference_tokens),
        "score": pytest.approx(found.score, abs=1e-12),
        "branch": "number" if aligned is None else "meteor",
        "matches": aligned and [list(match) for match in aligned.matches],
        "chunks": aligned.chunks if aligned and matched else None,
        "precision": aligned.precision if aligned and aligned.answer_length else None,
        "recall": aligned.recall if aligned and aligned.answer_length and aligned.reference_length else None,
    }
    return {key: told[key] for key in wanted}


# What is settled before a metric sees cases: surplus ids by joining the files.
SETTLED_BEFORE = ("extra_prediction",)
RUNS = [
    pytest.param(run, id=f"{run['task']}-{run['name']}")
    for run in golden("whole_file_runs")["runs"]
    if run["task"] in MODULES and run["name"] not in SETTLED_BEFORE
]


@pytest.mark.parametrize("run", RUNS)
def test_a_whole_file_comes_out_as_with_the_organisers(run: dict[str, Any], tmp_path: Path) -> None:
    truths, predictions = (run.get(f"raw_{name}", run.get(name, {})) for name in ("gt", "pred"))
    outcome = run["outcome"]
    cases = cases_of_files(tmp_path, truths, predictions)
    if "raises" in outcome:
        with pytest.raises(AttemptAbortedError):
            MODULES[run["task"]].score_cases(cases, "official", STUB)
        return
    scores, _ = MODULES[run["task"]].score_cases(cases, "official", STUB)
    assert dict(zip([case.id for case in cases], scores, strict=True)) == pytest.approx(outcome["scores"], abs=1e-12)


@pytest.mark.parametrize("metric", [VisualQA(), Captioning(clip=FakeClip())], ids=["vqa", "captioning"])
def test_the_mean_over_no_samples(metric: VisualQA | Captioning) -> None:
    assert math.isnan(metric.mean_of_none())


DEFECTS = [case for case in golden("defect_cases")["cases"] if case["task"] in MODULES]


def shown(case: dict[str, Any]) -> str:
    return f"{case['task']}-{case['shows']}"


@pytest.mark.parametrize("case", DEFECTS, ids=shown)
def test_each_defect_is_reproduced(case: dict[str, Any]) -> None:
    scores = [OFFICIAL[case["task"]](case["pred"], reference).score for reference in case["refs"]]
    assert max(scores) == pytest.approx(case["official"], abs=1e-12)


RULED = [case for case in DEFECTS if case["by_the_rules"] is not None]


@pytest.mark.parametrize("case", RULED, ids=shown)
def test_mode_strict_follows_the_rules(case: dict[str, Any]) -> None:
    scores = [STRICT[case["task"]](case["pred"], reference).score for reference in case["refs"]]
    assert max(scores) == pytest.approx(case["by_the_rules"], abs=5e-5)


@pytest.mark.parametrize("task", MODULES)
def test_the_mixed_file_gives_each_task_its_score(task: str, tmp_path: Path) -> None:
    expected = golden("mixed/expected")
    ids = expected["keys_per_task"][task]
    truths, predictions = golden("mixed/ground_truth"), golden("mixed/predictions")
    cases = cases_of_files(tmp_path, {i: truths[i] for i in ids}, {i: predictions[i] for i in ids})
    wanted = expected["results"][task]
    if task == "vqa":
        metric = VisualQA(wordnet=STUB)
        metric.update(cases, range(len(cases)))
        assert metric.result().score == pytest.approx(wanted, abs=1e-12)
        return
    asked = golden("mixed/input")
    folder = GOLDEN / "mixed"
    whole = Captioning(clip=FakeClip(), wordnet=STUB)
    whole.update(
        [
            dataclasses.replace(case, asked=sample(case.id, asked[case.id]), input_root=folder, answer_root=folder)
            for case in cases
        ],
        range(len(cases)),
    )
    parts = whole.result().parts
    assert parts["meteor"] == pytest.approx(wanted["meteor"], abs=1e-12)
    assert parts["clip"] == pytest.approx(wanted["ruclip"], abs=1e-6)  # their cosines are float32
    assert whole.result().score == pytest.approx(wanted["value"], abs=1e-6)
