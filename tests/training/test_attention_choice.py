"""Which attention a training computes, and that it is told of where pieces were wanted and are not right."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.rudolph import Rudolph
from models.rudolph.step_graphs import LEAST_CALLS, StepGraphs
from tests.models.recorded import StandInRecorder
from tests.training.test_objective import CONFIG
from training.tune import attention_choice
from training.tune.attention_choice import AttentionChoice, choose_attention
from training.tune.compute_note import ComputeNote
from training.tune.settings import ComputeSettings

META = torch.device("meta")  # stands in for a GPU: of which no value can be read, so that a trial fails
LONG = replace(CONFIG, l_text_seq_length=400, image_tokens_per_dim=24, r_text_seq_length=48, vocab_size=440)


def model(long: bool) -> Rudolph:
    with META:
        return Rudolph(replace(LONG if long else CONFIG, num_layers=1))


@pytest.mark.parametrize(
    ("attention", "long", "device", "way"),
    [
        ("auto", True, "cpu", "blocks"),
        ("pieces", True, "cpu", "blocks"),
        ("auto", False, "meta", "dense"),
        ("dense", True, "meta", "dense"),
        ("auto", True, "meta", "pieces"),
        ("pieces", False, "meta", "pieces"),
    ],
)
def test_what_is_chosen(monkeypatch: pytest.MonkeyPatch, attention: str, long: bool, device: str, way: str) -> None:
    monkeypatch.setattr(attention_choice, "problem_of", lambda *_, **__: "")
    network = model(long)
    compute = ComputeSettings(attention=attention)  # type: ignore[arg-type]
    assert choose_attention(network, compute, torch.device(device)) == AttentionChoice(way)  # type: ignore[arg-type]
    assert (network.transformer.piecewise is not None) == (way == "pieces")


@pytest.mark.parametrize("attention", ["auto", "pieces"])
def test_pieces_that_are_not_right_are_said_to_and_not_taken(
    capsys: pytest.CaptureFixture[str], attention: str
) -> None:
    network = model(long=True)
    found = choose_attention(network, ComputeSettings(attention=attention), META)  # type: ignore[arg-type]
    assert found.way == "dense"
    assert found.problem
    assert network.transformer.piecewise is None
    said = capsys.readouterr().err
    assert f"attention by pieces is not right on meta, its dense form is taken: {found.problem}" in said


@pytest.mark.parametrize(
    ("attention", "device", "said"),
    [("pieces", "auto", True), ("dense", "auto", True), ("auto", "auto", False), ("pieces", "cpu", False)],
)
def test_a_wish_without_a_gpu_is_told_of(
    capsys: pytest.CaptureFixture[str], attention: str, device: str, said: bool
) -> None:
    """That it is none on a CPU that was asked for, the settings tell."""
    choose_attention(model(False), ComputeSettings(attention=attention, device=device), torch.device("cpu"))  # type: ignore[arg-type]
    line = f"training tune: compute.attention: {attention} has no effect, as no GPU was found\n"
    assert capsys.readouterr().err == (line if said else "")


def test_what_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graphs = StepGraphs(StandInRecorder(RuntimeError("operation not permitted")))
    note = ComputeNote(tmp_path, META, AttentionChoice("dense", "wrong by 0.1"), None, graphs)
    note.write()
    step = graphs.repeated(lambda: None, LEAST_CALLS)
    for _ in range(LEAST_CALLS):
        step()
    for _ in range(2):
        note.write()
    assert json.loads((tmp_path / "compute.json").read_text()) == {
        "device": "meta",
        "attention": {"way": "dense", "problem": "wrong by 0.1"},
        "bytes_counted": None,
        "cuda_graphs": {"steps": 0, "problem": "RuntimeError: operation not permitted"},
    }
    assert capsys.readouterr().err.count("no CUDA graphs at validations") == 1
