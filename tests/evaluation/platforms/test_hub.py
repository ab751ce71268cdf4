"""The hub's file of evaluation results, as the hub's own library reads it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from evaluation.__main__ import main
from evaluation.platforms.hub import evaluation_results
from evaluation.results import write_result
from tests.evaluation.fakes import result_of, whole_result


def test_the_command_writes_what_the_hub_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = whole_result(0.25)
    write_result(tmp_path / "result.json", result)
    command = ["bundle", "hub", str(tmp_path / "result.json"), "--benchmark", "someone/fbc2", "--output"]
    assert main([*command, str(tmp_path / "model")]) == 0
    assert ".eval_results/fbc2.yaml" in capsys.readouterr().out
    text = (tmp_path / "model/.eval_results/fbc2.yaml").read_text("utf-8")
    entries = parse_eval_result_entries(yaml.safe_load(text))
    assert {entry.dataset_id for entry in entries} == {"someone/fbc2"}
    assert {entry.task_id: entry.value for entry in entries} == {
        **{key: task.score for key, task in result.tasks.items()},
        "integral": 0.25,
    }
    assert {entry.notes for entry in entries if entry.task_id == "textqa"} == {"equality|v:1"}


def test_scores_by_a_substitute_are_left_out_and_so_is_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = whole_result(0.25)
    tasks = {**result.tasks, "generation": replace(result.tasks["generation"], comparable=False)}
    write_result(tmp_path / "result.json", replace(result, tasks=tasks))
    options = ["--benchmark", "someone/fbc2", "--output", str(tmp_path)]
    assert main(["bundle", "hub", str(tmp_path / "result.json"), *options]) == 0
    assert "a substitute took part in them: generation" in capsys.readouterr().out
    entries = parse_eval_result_entries(yaml.safe_load((tmp_path / ".eval_results/fbc2.yaml").read_text("utf-8")))
    assert len(entries) == 11
    assert not {entry.task_id for entry in entries} & {"generation", "integral"}


def test_a_result_without_a_comparable_score_is_an_empty_list() -> None:
    result = result_of({"generation": [0.5]})
    tasks = {"generation": replace(result.tasks["generation"], comparable=False)}
    assert yaml.safe_load(evaluation_results(replace(result, tasks=tasks), "someone/fbc2")) == []


@pytest.mark.parametrize(
    ("benchmark", "message"), [("fbc2", "'fbc2' names no owner"), ("a b/c", "can be no id on the hub")]
)
def test_a_name_that_no_data_set_has(
    benchmark: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "result.json", whole_result(0.25))
    command = ["bundle", "hub", str(tmp_path / "result.json"), "--benchmark", benchmark, "--output"]
    assert main([*command, str(tmp_path / "out")]) == 2
    assert f"{message}; write OWNER/NAME" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
