"""Several codes of a picture at once: who does so by default, that nothing else changes, and what `run.json` says."""

import argparse

import pytest
import torch

from models.rudolph.step_graphs import StepGraphs
from submission.commands.run import _settings, add_arguments
from tests.models.recorded import StandInRecorder
from tests.submission.conftest import Finished, Start, Write, image, text

SAMPLES = {
    "0": [text("красный дом стоит на горе и смотрит на реку")],
    "1": [image("images/red.png"), text("Что лежит под столом?")],
    "2": [text("дом")],
}


@pytest.mark.parametrize(
    ("options", "window"),
    [
        ([], None),
        (["--window", "auto"], None),
        (["--window", "8"], 8),
        (["--profile", "baseline"], 1),
        (["--profile", "baseline", "--window", "auto"], None),
    ],
)
def test_only_the_published_inference_draws_one_by_one_unasked(options: list[str], window: int | None) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert _settings(parser.parse_args([*options, "--device", "cpu"])).window == window


@pytest.mark.parametrize("options", [[], ["--greedy"], ["--profile", "baseline"], ["--draws", "3"]])
def test_pictures_and_answers_are_the_same_for_any_window(
    submit: Start, write_input: Write, options: list[str]
) -> None:
    source = write_input(SAMPLES)

    def pictures(run: Finished) -> list[bytes]:
        return [path.read_bytes() for path in sorted((run.output / "images").iterdir())]

    one = submit(source, *options, "--window", "1", output="one")
    assert one.report["drawing"] == {
        "window": 1,
        "codes_a_pass": 1.0,
        "near_ties": 0,
        "pictures": "as drawn one by one",
    }
    for window in ("5", "auto"):
        run = submit(source, *options, "--window", window, output=f"window_{window}")
        assert run.status == 0, run.stderr
        assert run.predictions.keys() == one.predictions.keys()
        assert [answer[0] for answer in run.predictions.values()] == [each[0] for each in one.predictions.values()]
        assert pictures(run) == pictures(one)
        assert len(pictures(run)) == 2
        assert run.report["drawing"]["window"] == (5 if window == "5" else "auto")
        assert run.report["drawing"]["codes_a_pass"] >= 1.0
        assert run.report["drawing"]["near_ties"] < 8  # of 128 codes: the tests' weights are nearly untrained
        assert "near-ties" in run.report["drawing"]["pictures"]


@pytest.mark.parametrize("problem", ["", "it can not"])
def test_steps_by_graphs_change_nothing_and_a_failed_capture_is_told(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    source = write_input(SAMPLES)
    expected = submit(source, "--window", "1", output="off")
    assert expected.report["cuda_graphs"] == {"steps": 0, "problem": ""}

    def stand_in(_: torch.device) -> StepGraphs:
        return StepGraphs(StandInRecorder(RuntimeError(problem) if problem else None))

    monkeypatch.setattr(StepGraphs, "automatic", stand_in)
    run = submit(source, "--window", "1", output="auto")
    assert run.status == 0
    assert run.predictions == expected.predictions
    assert [record.get("codes") for record in run.journal] == [record.get("codes") for record in expected.journal]
    told = "no CUDA graphs were made any more, steps were launched one by one: RuntimeError: it can not"
    assert (told in run.stderr) == bool(problem)
    assert (run.report["cuda_graphs"]["steps"] > 30) == (not problem)
    assert run.report["cuda_graphs"]["problem"] == (problem and "RuntimeError: it can not")
    off = submit(source, "--window", "1", "--cuda-graphs", "off", output="off again")
    assert off.report["cuda_graphs"] == {"steps": 0, "problem": ""}
