"""Checkpoints: a run that is killed, or whose disk is full, goes on from the last one to the same last digit."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.rudolph import Rudolph, load_rudolph
from models.weights import WeightsFormatError
from tests.training.small_world import TINY
from training.__main__ import main as training
from training.tune import loop
from training.tune.callbacks.csv_log import read_log
from training.tune.checkpoints import CheckpointError, CheckpointNote, last_checkpoint, read_checkpoint, save_checkpoint
from training.tune.data.batches import Batch
from training.tune.train_step import train_step
from training.tune.training_state import TrainState

ROOT = Path(__file__).parents[2]
STEPS = 6
# Two tasks, none of which needs pictures to be encoded; a checkpoint at each step.
RUN = (
    "steps=6",
    "checkpoint.every=1",
    "validation.every=6",
    "logging.every=1",
    "checkpoint.keep_last=3",
    "logging.plots=false",
)


def arguments(root: Path, out: Path, *overrides: str) -> list[str]:
    return ["tune", "--config", str(root / "settings.yaml"), f"output={out}", *RUN, *overrides]


def losses(out: Path) -> dict[int, str]:
    with (out / "log.csv").open() as stream:
        return {int(row["step"]): row["value"] for row in csv.DictReader(stream) if row["name"] == "loss"}


def trained(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "rudolph" / "model.safetensors")


@pytest.fixture(scope="module")
def straight(root: Path) -> Path:
    assert training(arguments(root, root / "straight")) == 0
    return root / "straight"


def assert_equal_runs(out: Path, straight: Path) -> None:
    assert losses(out) == losses(straight)
    assert len(losses(out)) == STEPS
    ours, theirs = trained(out), trained(straight)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_killed_run_resumes_to_the_last_digit(root: Path, straight: Path) -> None:
    out = root / "killed"
    command = [sys.executable, "-m", "training", *arguments(root, out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (out / "checkpoints" / "step_00000002").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    killed_behind = last_checkpoint(out)
    assert killed_behind is not None
    assert "step_00000002" <= killed_behind.name < "step_00000006"
    assert training(arguments(root, out)) == 0
    assert_equal_runs(out, straight)


def lines_of_log(out: Path) -> list[bytes]:
    """The log but for what measures the machine."""
    machine = (b"samples_per_second", b"tokens_per_second", b"peak_rss_gib", b"peak_cuda_gib")
    return [line for line in (out / "log.csv").read_bytes().splitlines(True) if line.split(b",")[1] not in machine]


@pytest.mark.parametrize("broken_off_in", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 5, 6))])
def test_log_of_a_resumed_run_is_that_of_one_in_one_go(
    root: Path, broken_off_in: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows at the steps 4 and 6: means over four and two steps, whatever checkpoint the run went on from."""
    whole, out = root / "log_in_one", root / f"log_broken_off_in_{broken_off_in}"
    if not whole.exists():
        assert training(arguments(root, whole, "logging.every=4")) == 0

    def breaks_off(state: TrainState, number: int, batch: Batch) -> dict[str, float]:
        if number + 1 == broken_off_in:
            raise FloatingPointError("on purpose")
        return train_step(state, number, batch)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "train_step", breaks_off)
        assert training(arguments(root, out, "logging.every=4")) == 1
    assert training(arguments(root, out, "logging.every=4")) == 0
    assert lines_of_log(out) == lines_of_log(whole)
    assert {(row.step, row.name) for row in read_log(out / "log.csv")} >= {(4, "textqa.right"), (6, "textqa.right")}


def test_run_ended_early_goes_on_with_the_same_rows(root: Path) -> None:
    """Its last step has rows of its own, which the next ones take no steps from."""
    whole, out = root / "rows_in_one", root / "rows_in_two"
    assert training(arguments(root, whole, "logging.every=4")) == 0
    assert training(arguments(root, out, "logging.every=4", "until=3")) == 0
    assert training(arguments(root, out, "logging.every=4")) == 0
    assert [line for line in lines_of_log(out) if not line.startswith(b"3,")] == lines_of_log(whole)


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What a full disk looks like to those who write: an error in the middle of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "trainer.state"])
def test_full_disk_leaves_the_last_checkpoint(
    root: Path, straight: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root / f"full_{file}"
    assert training(arguments(root, out, "until=2")) == 0
    capsys.readouterr()
    written = out / "checkpoints" / "step_00000002"
    assert (written / "pytorch_model.bin").stat().st_size < (written / "trainer.state").stat().st_size
    with no_file_longer_than((written / file).stat().st_size - 1000):
        assert training(arguments(root, out)) == 1
    message = capsys.readouterr().err
    assert "step_00000003: can not be written" in message
    assert "the last checkpoint is intact" in message
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["best", "step_00000001", "step_00000002"]
    assert training(arguments(root, out)) == 0
    assert_equal_runs(out, straight)


def test_infinite_loss_leaves_the_last_checkpoint(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = root / "diverged"
    assert training(arguments(root, out, "until=1")) == 0
    weights = next((out / "checkpoints").glob("step_*")) / "pytorch_model.bin"
    state = torch.load(weights, weights_only=True)
    state["to_logits.1.bias"][5] = float("nan")
    torch.save(state, weights)
    capsys.readouterr()
    assert training(arguments(root, out)) == 1
    message = capsys.readouterr().err
    problem = "training tune: step 2: the loss is nan; lower optim.learning_rate or use compute.dtype=float32"
    assert f"{problem}; the last checkpoint is intact" in message
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["best", "step_00000001"]


def test_a_checkpoint_is_a_rudolph_in_the_published_form(straight: Path) -> None:
    folder = straight / "checkpoints" / "step_00000006"
    assert json.loads((folder / "config.json").read_text())["num_layers"] == 2
    names = set(torch.load(folder / "pytorch_model.bin", weights_only=True))
    assert names == set(Rudolph(TINY).state_dict())
    model, exported = load_rudolph(folder), load_rudolph(straight / "rudolph_published")
    for name, tensor in trained(straight).items():
        if tensor.is_floating_point():
            assert torch.equal(model.state_dict()[name].half(), tensor)
            assert torch.equal(exported.state_dict()[name].half(), tensor)


@pytest.mark.parametrize(
    ("measure", "values", "kept", "best"),
    [
        ("loss", [4.0, 3.0, 2.0, 1.0], [3, 4], 4),
        ("loss", [4.0, 1.0, 2.0, 3.0], [2, 3, 4], 2),
        ("validation", [0.5, 0.9, 0.9, 0.7], [2, 3, 4], 2),
        ("validation", [0.5, None, 0.2, None], [1, 3, 4], 1),
        ("validation", [None, None, None, None], [3, 4], None),
    ],
)
def test_the_last_ones_and_the_best_are_kept(
    tmp_path: Path, measure: str, values: list[float | None], kept: list[int], best: int | None
) -> None:
    for step, value in enumerate(values, start=1):
        save_checkpoint(
            tmp_path, CheckpointNote(step, measure, value), TINY, {"weight": torch.ones(2)}, {}, keep_last=2
        )
    folder = tmp_path / "checkpoints"
    expected = [f"step_{step:08d}" for step in kept]
    assert sorted(path.name for path in folder.iterdir()) == (["best"] if best else []) + expected
    if best:
        assert os.readlink(folder / "best") == f"step_{best:08d}"


def test_what_a_killed_run_left_half_done_is_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, CheckpointNote(1, "loss", 1.0), TINY, {}, {}, 2)
    (tmp_path / "checkpoints" / ".unfinished_00000002").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step_00000001"
    save_checkpoint(tmp_path, CheckpointNote(2, "loss", 2.0), TINY, {}, {}, 2)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best", "step_00000001", "step_00000002"]


def test_a_damaged_checkpoint_is_named_and_not_passed_over(tmp_path: Path) -> None:
    path = save_checkpoint(
        tmp_path, CheckpointNote(1, "loss", 1.0), TINY, {"w": torch.ones(999)}, {"fingerprint": {"a": 1}}, 2
    )
    weights, state = read_checkpoint(path, {"a": 1})
    assert torch.equal(weights["w"], torch.ones(999))
    assert state == {"fingerprint": {"a": 1}}
    with pytest.raises(CheckpointError, match="belongs to another run: a, b differ"):
        read_checkpoint(path, {"a": 2, "b": 3})
    for file, error in (("pytorch_model.bin", WeightsFormatError), ("trainer.state", CheckpointError)):
        (path / file).write_bytes((path / file).read_bytes()[:400])
        with pytest.raises(error, match=str(path / file)):
            read_checkpoint(path, {"a": 1})
    (path / "checkpoint.json").write_text("{}")
    with pytest.raises(CheckpointError, match="step_00000001: not a whole checkpoint"):
        last_checkpoint(tmp_path)
