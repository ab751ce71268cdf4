"""The fine-tuning command over a real, very small world: it learns, resumes exactly, and refuses what it cannot use."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.rudolph import load_rudolph
from tests.training.small_world import TINY
from training.__main__ import main as training
from training.tune.batches import Batch
from training.tune.checkpoints import last_checkpoint
from training.tune.settings import SettingsError, read_settings
from training.tune.stepping import Stepper


def tune(root: Path, *overrides: str) -> int:
    return training(["tune", "--config", str(root / "settings.yaml"), *overrides])


def curve(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "log.csv").open() as stream:
        return [tuple(row) for row in csv.reader(stream) if row[1] != "steps_per_second"]


def test_a_run_ended_early_goes_on_as_if_it_had_not(root: Path) -> None:
    assert tune(root, f"out={root}/in_one") == 0
    assert tune(root, f"out={root}/in_two", "until=1") == 0
    assert tune(root, f"out={root}/in_two") == 0
    a, b = (load_file(root / name / "rudolph" / "model.safetensors") for name in ("in_one", "in_two"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_mixture_of_tasks_may_change_on_the_way(root: Path) -> None:
    assert tune(root, f"out={root}/mixture", "until=2") == 0
    assert tune(root, f"out={root}/mixture", "tasks.textqa.samples=5") == 0
    assert last_checkpoint(root / "mixture") == root / "mixture" / "checkpoints" / "step_00000004"


def test_what_it_writes_can_be_loaded_and_read(root: Path) -> None:
    assert tune(root, f"out={root}/written") == 0
    model = load_rudolph(root / "written" / "rudolph")
    assert model.config == TINY
    names = {row[1] for row in curve(root / "written")}
    assert {"loss", "rate", "textqa.right", "generation.image", "captioning.right"} <= names
    assert {"validation.textqa.exact_match", "validation.captioning.score", "validation.generation.loss"} <= names
    assert "validation.generation.score" not in names  # it has no text answer


def test_another_run_in_the_same_folder_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune(root, f"out={root}/first") == 0
    assert tune(root, f"out={root}/first", "seed=5") == 2
    assert "belongs to another run: seed differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("stepz=3", "stepz"),
        ("steps=many", "steps"),
        ("until=9", "until: must lie in"),
        ("steps=0", "steps: must be at least 1"),
        ("scratch=x start=y", "start: cannot be given together"),
        ("reference=best", "reference: must be one of first, value, random"),
        ("tasks.textqa.samples=0", "tasks.textqa.samples: must be at least 1"),
        ("dtype=int8", "dtype: must be one of"),
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
        (["data=/nowhere"], "/nowhere: no such data folder"),
        (["scratch=/nowhere.json"], "/nowhere.json: no such file"),
        (["weights=/nowhere"], "weights: /nowhere/bpe.model: No such file"),
    ],
)
def test_bad_data_ends_with_a_message_and_status_2(
    root: Path, overrides: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(root, f"out={root}/bad", *overrides) == 2
    assert complaint in capsys.readouterr().err


def test_memory_that_runs_out_is_told_with_what_needs_less_and_costs_no_checkpoint(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Stepper.step

    def full(self: Stepper, number: int, batch: Batch) -> dict[str, float]:
        if number == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nOf the allocated memory ...")
        return step(self, number, batch)

    monkeypatch.setattr(Stepper, "step", full)
    assert tune(root, f"out={root}/full", "steps=4", "checkpoint_every=1") == 1
    told = capsys.readouterr().err
    assert "tune: CUDA out of memory. Tried to allocate 2.00 GiB. The last checkpoint is intact; a larger" in told
    assert "Traceback" not in told
    kept = last_checkpoint(root / "full")
    assert kept is not None
    assert kept.name == "step_00000002"
