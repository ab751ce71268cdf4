"""What one odd sample does to a whole file, from JSON to score: the organisers' evaluation alone, run by run."""

import json
from pathlib import Path

import pytest

from contest.errors import ContestFileError
from contest.tasks import task_by_key
from evaluation.errors import EvaluationError
from evaluation.joining import ScoringFiles
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.scoring import score_run
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics

RUNS = json.loads((Path(__file__).parents[1] / "golden/metrics/whole_file_runs.json").read_text("utf-8"))["runs"]
TEXT_RUNS = [run for run in RUNS if run["task"] != "captioning"]  # whose METEOR half is no task of its own

# Where we stop although their scripts go on: there is nothing to score.
NOTHING_TO_SCORE = "empty_files"
# What mode strict refuses: the file at fault is the scorer's own, and its reader says what is wrong.
MALFORMED_TRUTHS = ("gt_empty_refs", "gt_refs_with_null")


def files_of(run: dict, folder: Path) -> ScoringFiles:
    task = task_by_key(run["task"])
    (folder / "ids.json").write_text(json.dumps(dict.fromkeys(run["gt"], task.id)))
    (folder / "ground_truth.json").write_text(json.dumps(run["gt"]))
    (folder / "predictions.json").write_text(run.get("raw_pred") or json.dumps(run["pred"]))
    return ScoringFiles(folder / "predictions.json", folder / "ground_truth.json", folder / "ids.json")


@pytest.mark.parametrize("run", TEXT_RUNS, ids=lambda run: f"{run['task']}-{run['name']}")
def test_an_odd_sample_does_to_the_file_what_it_does_to_theirs(run: dict, tmp_path: Path) -> None:
    files, outcome = files_of(run, tmp_path), run["outcome"]
    if run["name"] == NOTHING_TO_SCORE:
        with pytest.raises(EvaluationError):
            score_run(files, Metrics("official"), stage="evaluate")
        return
    if run["name"] == "extra_prediction":  # their splitting leaves it out before the metric could see it
        result = score_run(files, Metrics("official"), resampling=Resampling(10))
        assert "the ids do not name" in result.warnings[0]
    if "raises" in outcome:
        with pytest.raises(AttemptAbortedError):
            score_run(files, Metrics("official"), stage="evaluate")
        return
    task = score_run(files, Metrics("official"), stage="evaluate", resampling=Resampling(10)).tasks[run["task"]]
    assert task.score == pytest.approx(outcome["value"], abs=1e-12)
    if "scores" in outcome:
        assert dict(task.samples) == pytest.approx(outcome["scores"], abs=1e-12)
    else:
        assert any(note.defect == 1 and note.voids_task for note in task.notes)


@pytest.mark.parametrize("run", TEXT_RUNS, ids=lambda run: f"{run['task']}-{run['name']}")
def test_strict_scores_what_there_is_and_names_what_there_is_not(run: dict, tmp_path: Path) -> None:
    files = files_of(run, tmp_path)
    if run["name"] in (NOTHING_TO_SCORE, *MALFORMED_TRUTHS):
        with pytest.raises((ContestFileError, EvaluationError)):
            score_run(files, Metrics("strict"), mode="strict")
        return
    task = score_run(files, Metrics("strict"), mode="strict", resampling=Resampling(10)).tasks[run["task"]]
    assert list(task.samples) == list(run["gt"])
    assert all(0 <= score <= 1 for score in task.samples.values())
    named = {note.sample_id for note in task.notes}
    pictured = run["name"] in ("missing_prediction", "no_text_item", "type_in_capitals") or run["name"].startswith(
        ("content_", "item_", "dict_", "string_", "empty_list")
    )
    assert bool(named) == pictured or run["name"].startswith(("gt_", "stale"))
    assert all(task.samples[sample_id] == 0 for sample_id in named)
