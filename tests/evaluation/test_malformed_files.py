"""Whole files with malformed entries: the organisers' pipeline from splitting to score, and their evaluation alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from contest.tasks import task_by_key
from evaluation.joining import ScoringFiles
from evaluation.metrics.cases import STAGES, Stage
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.results import read_result, write_result
from evaluation.scoring import score_run
from evaluation.splitting import splitting_fault
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics
from tests.evaluation.fakes import write_files

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = json.loads((GOLDEN / "metrics/malformed_files.json").read_text("utf-8"))
SMALLEST = {one["id"]: one for one in json.loads((GOLDEN / "models/minimal_differences.json").read_text("utf-8"))}


def files_of(run: dict[str, Any], folder: Path) -> ScoringFiles:
    for name, value in (("ids", run["ids"]), ("ground_truth", run["gt"]), ("predictions", run["pred"])):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return ScoringFiles(folder / "predictions.json", folder / "ground_truth.json", folder / "ids.json")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", range(len(RUNS)), ids=lambda number: f"{RUNS[number]['task']}-{number}")
def test_a_malformed_file_ends_as_theirs(number: int, stage: Stage, tmp_path: Path) -> None:
    run = RUNS[number]
    files, expected = files_of(run, tmp_path), run["theirs_full" if stage == "full" else "theirs_eval"]
    if isinstance(expected, str):
        with pytest.raises(AttemptAbortedError):
            score_run(files, Metrics("official"), stage=stage)
    else:
        result = score_run(files, Metrics("official"), stage=stage, resampling=Resampling(5))
        assert result.tasks[run["task"]].score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "stage", "expected"),
    [
        ("S1", "full", None),
        ("S1", "evaluate", 1.0),
        ("S2", "full", None),
        ("S2", "evaluate", None),
        ("S3", "full", 0.0),
        ("S3", "evaluate", 0.0),
    ],
)
def test_the_smallest_cases(name: str, stage: Stage, expected: float | None, tmp_path: Path) -> None:
    files = files_of({**SMALLEST[name], "ids": {"0": task_by_key("text_recognition").id}}, tmp_path)
    if expected is None:
        with pytest.raises(AttemptAbortedError, match="sample '0'"):
            score_run(files, Metrics("official"), stage=stage)
    else:
        result = score_run(files, Metrics("official"), stage=stage, resampling=Resampling(5))
        assert result.tasks["text_recognition"].score == expected
    strict = score_run(files, Metrics("strict"), mode="strict", resampling=Resampling(5))
    assert (strict.tasks["text_recognition"].score, strict.stage) == (0.0, None)


@pytest.mark.parametrize(
    ("entry", "stops"),
    [
        ([], False),
        ({}, False),
        ("", False),
        ([{"type": "text"}], False),
        ([{"type": ["text"], "content": "a"}], False),
        ([{"type": "text", "content": {"a": [None]}}], False),
        ([{"type": "image", "content": "images/x.jpg"}, None], False),  # they look no further than the first picture
        ([{"type": "image", "content": ["images/x.jpg"]}], True),
        ([{"type": "image"}], True),
        ([{"type": "text", "content": "a"}, "text"], True),
        ([[]], True),
        ([{}], True),
        ({"0": {"type": "text", "content": "a"}}, True),
        ("text", True),
        (None, True),
        (True, True),
        (0, True),
    ],
)
def test_what_the_splitting_raises_on(entry: Any, stops: bool) -> None:
    assert (splitting_fault(entry) is not None) == stops


def test_half_a_surrogate_pair_stops_the_splitting_wherever_it_stands(tmp_path: Path) -> None:
    answer = [{"type": "text", "content": "a", "more": {"\ud800": 1}}]
    truth = [{"type": "text", "content": ["a"]}]
    files = write_files(tmp_path, {"a": 0}, answers={"a": answer}, truths={"a": truth})
    with pytest.raises(AttemptAbortedError, match="surrogate") as stopped:
        score_run(files, Metrics("official"))
    assert (stopped.value.sample_id, stopped.value.defect) == ("a", 24)
    assert "--stage evaluate" in str(stopped.value)
    assert score_run(files, Metrics("official"), stage="evaluate", resampling=Resampling(5)).tasks["textqa"].score == 1


def test_the_stage_stands_in_signature_and_result(tmp_path: Path) -> None:
    answer, truth = [{"type": "text", "content": "a"}], [{"type": "text", "content": ["a"]}]
    files = write_files(tmp_path, {"a": 0}, answers={"a": answer}, truths={"a": truth})
    whole = score_run(files, Metrics("official"), resampling=Resampling(5))
    alone = score_run(files, Metrics("official"), stage="evaluate", resampling=Resampling(5))
    assert whole.tasks["textqa"].signature.startswith("textqa|mode:official|lemmas:")
    assert alone.tasks["textqa"].signature.startswith("textqa|mode:official|stage:evaluate|lemmas:")
    assert (whole.mode_name, alone.mode_name) == ("official", "official/evaluate")
    for result in (whole, alone):
        write_result(tmp_path / "result.json", result)
        assert read_result(tmp_path / "result.json") == result


@pytest.mark.parametrize("task_id", [0, 4, 5])
def test_a_picture_that_can_not_be_copied_stops_every_task(task_id: int, tmp_path: Path) -> None:
    """Their splitting copies the first picture of each answer, also where no metric looks at it."""
    answer = [{"type": "text", "content": "кот"}, {"type": "image", "content": "images/a.jpg"}]
    truth = [{"type": "text", "content": ["кот"]}]
    files = write_files(tmp_path, {"a": task_id}, answers={"a": answer}, truths={"a": truth})
    with pytest.raises(AttemptAbortedError, match=r"sample 'a': its picture 'images/a\.jpg' is not there"):
        score_run(files, Metrics("official"))
    score_run(files, Metrics("official"), stage="evaluate", resampling=Resampling(5))
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"nobody opens it")
    score_run(files, Metrics("official"), resampling=Resampling(5))


@pytest.mark.parametrize("task_id", [4, 5])
def test_half_a_surrogate_pair_can_not_be_printed(task_id: int, tmp_path: Path) -> None:
    answer, truth = [{"type": "text", "content": "5\udfff"}], [{"type": "text", "content": ["5"]}]
    files = write_files(tmp_path, {"a": task_id}, answers={"a": answer}, truths={"a": truth})
    with pytest.raises(AttemptAbortedError, match="can not be printed") as stopped:
        score_run(files, Metrics("official"), stage="evaluate")
    assert stopped.value.defect == 25
