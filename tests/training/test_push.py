"""Pushing a trained RUDOLPH: the folder, its card, and its way to a hub of the tests' own that also fails."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from evaluation.results import Result, TaskResult, write_result
from models.rudolph import Config, Rudolph
from models.rudolph.loading import load_rudolph_file
from tests.fetch.hub_server import COMMIT, FakeHub, serving
from training.__main__ import main
from training.co2_report.figures import gather
from training.tune.export import export

REPOSITORY = "someone/tiny"
CONFIG = Config(
    num_layers=2,
    hidden_size=16,
    num_attention_heads=2,
    vocab_size=40,
    l_text_seq_length=8,
    image_tokens_per_dim=2,
    r_text_seq_length=8,
    image_vocab_size=16,
)
RESULT = Result(
    "official",
    "test:1",
    {
        "textqa": TaskResult("textqa", 0.5, "f1", {"a": 0.0, "b": 1.0}, (0.25, 0.75)),
        "captioning": TaskResult("captioning", 0.125, "meteor", {"c": 0.125}, comparable=False),
    },
)
WRITTEN = [".eval_results/fbc2.yaml", "README.md", "config.json", "model.safetensors", "pytorch_model.bin"]


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The output of a training that has ended, whose CO2 was not measured."""
    run = tmp_path / "run"
    run.mkdir()
    torch.manual_seed(0)
    export(run, CONFIG, Rudolph(CONFIG).state_dict())
    write_result(tmp_path / "result.json", RESULT)
    return run


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    import huggingface_hub.utils._http

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(huggingface_hub.utils._http.time, "sleep", lambda seconds: None)
    with serving(FakeHub({})) as served:
        yield served


def pushed(run: Path, *more: str) -> int:
    result = str(run.parent / "result.json")
    return main(["push", str(run), "--license", "mit", "--result", result, "--benchmark", "someone/test", *more])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def front_of(card: str) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load(card.split("---")[1])
    return front


def test_a_dry_run_writes_what_would_be_pushed(trained: Path, hub: FakeHub, capsys: Any) -> None:
    assert pushed(trained, "--dry-run", "--data", "someone/data", "--base", "ai-forever/RUDOLPH-1.3B") == 0
    assert "nothing was sent" in capsys.readouterr().out
    assert hub.requests == []
    files = files_of(trained / "hub")
    assert sorted(files) == WRITTEN
    bias = load_rudolph_file(trained / "rudolph" / "model.safetensors", CONFIG).to_logits[1].bias
    for name in ("model.safetensors", "pytorch_model.bin"):
        model = load_rudolph_file(trained / "hub" / name, CONFIG)
        assert torch.equal(model.to_logits[1].bias, bias)
    card = files["README.md"].decode()
    front = front_of(card)
    assert (front["license"], front["datasets"], front["base_model"]) == (
        "mit",
        ["someone/data"],
        "ai-forever/RUDOLPH-1.3B",
    )
    assert "co2_eq_emissions" not in front  # nothing was measured, and that is no zero
    assert "Not measured." in card
    assert "| textqa | 0.5000 | 0.2500 to 0.7500 | 2 |" in card
    assert "| captioning (with a substitute: not comparable) | 0.1250 |  | 1 |" in card
    assert yaml.safe_load(files[".eval_results/fbc2.yaml"]) == [
        {"dataset": {"id": "someone/test", "task_id": "textqa"}, "value": 0.5, "notes": "f1"}
    ]


def test_the_card_has_the_co2_in_grams(watched: Path, tmp_path: Path) -> None:
    run = shutil.copytree(watched, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "tensorboard"))
    assert main(["push", str(run), "--license", "mit", "--dry-run", "--output", str(tmp_path / "out")]) == 0
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    kilograms = gather(watched).summary.co2_kg
    assert kilograms is not None
    about = front_of(card)["co2_eq_emissions"]
    assert about["emissions"] == pytest.approx(1000 * kilograms)
    assert (about["source"], about["geographical_location"], about["hardware_used"]) == ("eco2AI", "RU", "cpu")
    assert f"{kilograms:.6g} kg of CO2" in card


def test_all_comes_to_the_hub_in_one_commit(trained: Path, hub: FakeHub, capsys: Any) -> None:
    assert pushed(trained, "--repo", REPOSITORY, "--endpoint", hub.url) == 0
    assert f"pushed: {hub.url}/{REPOSITORY}/commit/{COMMIT}" in capsys.readouterr().out
    assert hub.files == {REPOSITORY: files_of(trained / "hub")}
    assert sum(path.endswith("/commit/main") for _, path, _ in hub.requests) == 1
    sent = sum(method == "PUT" for method, _, _ in hub.requests)
    assert sent == 2
    assert pushed(trained, "--repo", REPOSITORY, "--endpoint", hub.url) == 0  # what is there is not sent again
    assert sum(method == "PUT" for method, _, _ in hub.requests) == sent


@pytest.mark.parametrize(
    ("where", "status", "code"),
    [
        ("POST api/repos/create", 401, "ACCESS"),
        ("POST api/repos/create", 403, "ACCESS"),
        (f"POST api/models/{REPOSITORY}/preupload", 500, "NETWORK"),
        (f"POST {REPOSITORY}.git/info/lfs/objects/batch", 403, "ACCESS"),
        ("PUT", 500, "NETWORK"),
        (f"POST api/models/{REPOSITORY}/commit", 413, "NETWORK"),
    ],
)
def test_what_a_hub_refuses(where: str, status: int, code: str, trained: Path, hub: FakeHub, capsys: Any) -> None:
    hub.faults[where] = [("status", status, {})] * 50
    assert pushed(trained, "--repo", REPOSITORY, "--endpoint", hub.url) == 2
    assert f"training push: error [{code}]" in capsys.readouterr().err
    assert not hub.files.get(REPOSITORY)
    hub.faults.clear()
    assert pushed(trained, "--repo", REPOSITORY, "--endpoint", hub.url) == 0
    assert sorted(hub.files[REPOSITORY]) == WRITTEN


def test_no_token_and_no_network(trained: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import huggingface_hub
    import huggingface_hub.constants

    to_hub = ("--repo", REPOSITORY, "--endpoint", hub.url)
    with monkeypatch.context() as patched:
        patched.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        assert pushed(trained, *to_hub) == 2
        assert "HF_HUB_OFFLINE is set; unset it" in capsys.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr(huggingface_hub, "get_token", lambda: None)
        assert pushed(trained, *to_hub) == 2
        assert "set HF_TOKEN to a token that may write" in capsys.readouterr().err
    assert hub.requests == []
    assert pushed(trained, "--repo", REPOSITORY, "--endpoint", "http://[::1") == 2
    assert "[ENDPOINT]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "--repo", "no owner"], "'no owner' can be no id on the hub"),
        (["{run}", "--repo", "tiny"], "'tiny' names no owner; write OWNER/NAME"),
        (["{run}", "--dry-run", "--data", "a/b/c"], "can be no id on the hub"),
        (["{run}", "--dry-run", "--benchmark", "a/b"], "--benchmark says of which test results are"),
        (["{none}", "--dry-run"], "name the --output of a `training tune` that has ended"),
        (["{run}", "--dry-run", "--result", "{none}"], "RESULT_FILE"),
        (["{run}", "--dry-run", "--result", "{text}"], "give a file that `evaluation score --json` wrote"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    arguments: list[str], message: str, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "text").write_text('{"mode": "official", "tasks": {"textqa": {"score": NaN}}}')
    files = {"{run}": trained, "{none}": tmp_path / "none", "{text}": tmp_path / "text"}
    words = [str(files.get(word, word)) for word in arguments]
    assert main(["push", *words, "--license", "mit", "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_whole_are_refused(trained: Path, capsys: Any) -> None:
    data = (trained / "rudolph_published/pytorch_model.bin").read_bytes()
    (trained / "rudolph_published/pytorch_model.bin").write_bytes(data[:1000])
    assert main(["push", str(trained), "--license", "mit", "--dry-run"]) == 2
    assert "pytorch_model.bin" in capsys.readouterr().err
    assert not (trained / "hub").exists()
