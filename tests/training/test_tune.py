"""The fine-tuning command over a real, very small world: it learns, resumes exactly, and refuses what it cannot use."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.rudolph import Rudolph, load_rudolph
from models.weights import save_state_dict
from tests.training.small_world import TINY
from training.__main__ import main as training
from training.tune import loop
from training.tune.checkpoints import last_checkpoint
from training.tune.data.batches import Batch
from training.tune.errors import SettingsError
from training.tune.settings_file import read_settings
from training.tune.train_step import train_step
from training.tune.training_state import TrainState


def tune(root: Path, *overrides: str) -> int:
    return training(["tune", "--config", str(root / "settings.yaml"), *overrides])


def curve(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "log.csv").open() as stream:
        return [tuple(row) for row in csv.reader(stream) if row[1] != "steps_per_second"]


def test_a_run_ended_early_goes_on_as_if_it_had_not(root: Path) -> None:
    assert tune(root, f"output={root}/in_one") == 0
    assert tune(root, f"output={root}/in_two", "until=1") == 0
    assert tune(root, f"output={root}/in_two") == 0
    a, b = (load_file(root / name / "rudolph" / "model.safetensors") for name in ("in_one", "in_two"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_mixture_of_tasks_may_change_on_the_way(root: Path) -> None:
    assert tune(root, f"output={root}/mixture", "until=2") == 0
    assert tune(root, f"output={root}/mixture", "tasks.textqa.samples=5") == 0
    assert last_checkpoint(root / "mixture") == root / "mixture" / "checkpoints" / "step_00000004"


def test_what_it_writes_can_be_loaded_and_read(root: Path) -> None:
    assert tune(root, f"output={root}/written") == 0
    model = load_rudolph(root / "written" / "rudolph")
    assert model.config == TINY
    names = {row[1] for row in curve(root / "written")}
    assert {"loss", "rate", "textqa.right", "generation.image", "captioning.right"} <= names
    assert {"validation.textqa.exact_match", "validation.captioning.score", "validation.generation.loss"} <= names
    assert "validation.generation.score" not in names  # it has no text answer


def test_another_run_in_the_same_folder_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(root, f"output={root}/first") == 0
    assert tune(root, f"output={root}/first", "seed=5") == 2
    assert "belongs to another run: seed differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("stepz=3", r"unknown key stepz; did you mean steps\?"),
        ("steps=many", "steps: must be a whole number from 1 to 1099511627776, not 'many'"),
        ("until=9", r"until: must be a whole number from 1 to steps \(4\), not 9"),
        ("steps=0", "steps: must be a whole number from 1 to 1099511627776, not 0"),
        ("model.scratch=x model.start=y", "model.start: cannot be given together with model.scratch"),
        ("data.reference=best", "data.reference: must be one of first, value, random, not 'best'"),
        ("tasks.textqa.samples=0", "tasks.textqa.samples: must be a whole number from 1 to 1048576, not 0"),
        ("compute.dtype=int8", "compute.dtype: must be one of float32, bfloat16, float16, not 'int8'"),
    ],
)
def test_bad_settings_are_named(root: Path, override: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_settings(root / "settings.yaml", override.split())


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["tasks.mathqa.samples=2"], "mathqa_train.json: no such file"),
        (["tasks.poetry.samples=2"], "unknown poetry"),
        (["data.folder=/nowhere"], "/nowhere: no such data folder"),
        (["model.scratch=/nowhere.json"], "/nowhere.json: no such file"),
        (["weights=/nowhere"], "weights: /nowhere/bpe.model: No such file"),
    ],
)
def test_bad_data_ends_with_a_message_and_status_2(
    root: Path, overrides: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(root, f"output={root}/bad", *overrides) == 2
    assert complaint in capsys.readouterr().err


def test_out_of_memory_names_what_needs_less(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: TrainState, number: int, batch: Batch) -> dict[str, float]:
        if number == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nOf the allocated memory ...")
        return train_step(state, number, batch)

    monkeypatch.setattr(loop, "train_step", full)
    assert tune(root, f"output={root}/full", "steps=4", "checkpoint.every=1") == 1
    told = capsys.readouterr().err
    assert (
        "training tune: CUDA out of memory. Tried to allocate 2.00 GiB. The last checkpoint is intact; a larger" in told
    )
    assert "Traceback" not in told
    kept = last_checkpoint(root / "full")
    assert kept is not None
    assert kept.name == "step_00000002"


def test_weights_with_nan_are_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = tmp_path / "rudolph"
    start.mkdir()
    TINY.save(start / "config.json")
    state = Rudolph(TINY).state_dict()
    state["to_logits.1.bias"][5] = float("nan")
    save_state_dict(state, start / "pytorch_model.bin")
    assert tune(root, f"output={tmp_path}/run", f"model.start={start}", "model.scratch=null") == 2
    said = capsys.readouterr().err
    assert "weights: those to start from hold NaN or infinity (to_logits.1.bias); take others\n" in said
    assert "checkpoint" not in said


def test_no_checkpoint_is_promised_before_the_first(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        tune(
            root,
            f"output={tmp_path}/run",
            "optim.learning_rate=1e6",
            "optim.clip=1e30",
            "compute.dtype=float32",
            "steps=50",
        )
        == 1
    )
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("training tune: step ")
    assert "float32" not in last  # it is in float32
    kept = last_checkpoint(tmp_path / "run") is not None
    assert ("the last checkpoint is intact" in last) == kept


def test_a_run_whose_steps_are_done_says_so(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(root, f"output={tmp_path}/run", "steps=2") == 0
    capsys.readouterr()
    assert tune(root, f"output={tmp_path}/run", "steps=2") == 0
    said = capsys.readouterr()
    assert "is of step 2, and the run ends with step 2" in said.err
    assert said.out.splitlines()[-1].startswith(f"next: cp -r {root}/weights/bpe.model {root}/weights/vqgan")


def test_a_folder_that_can_not_be_made_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(root, "output=/dev/null") == 2
    assert "output: /dev/null: the folder can not be made (File exists); choose another" in capsys.readouterr().err


def test_nothing_is_validated_without_validation_samples(root: Path, tmp_path: Path) -> None:
    assert tune(root, f"output={tmp_path}/run", "steps=1", "validation.samples=0") == 0
    assert not [row for row in curve(tmp_path / "run") if row[1].startswith("validation")]
