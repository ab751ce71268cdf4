"""The fine-tuning command over a real, very small world: it learns, resumes exactly, and refuses what it cannot use."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data_prep.__main__ import main as data_prep
from models.rudolph import Config, load_rudolph
from models.vqgan import VQGAN
from models.weights import save_safetensors
from training.__main__ import main as training
from training.tune.checkpoints import last_checkpoint
from training.tune.settings import SettingsError, read_settings

TINY = Config(
    num_layers=2,
    hidden_size=32,
    num_attention_heads=2,
    vocab_size=380,
    l_text_seq_length=80,
    image_tokens_per_dim=8,
    r_text_seq_length=24,
    image_vocab_size=16,
    text_special_tokens=32,
    attention_dropout_prob=0.1,
    output_dropout_prob=0.1,
    init_method_std=0.1,
)
PICTURES = {
    "ch": 32,
    "ch_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "resolution": 64,
    "z_channels": 8,
    "embed_dim": 8,
    "n_embed": 16,
}
SETTINGS = """
data: {root}/world
weights: {root}/weights
out: {root}/run
scratch: {root}/tiny.json
steps: 4
learning_rate: 1.0e-2
warmup_steps: 1
validate_every: 4
validation_samples: 2
checkpoint_every: 2
tasks:
  textqa: {{samples: 2, left: 0.02, image: 0.0, right: 1.0}}
  generation: {{samples: 2, left: 0.02, image: 1.0, right: 0.0}}
  captioning: {{samples: 2, left: 0.02, image: 0.0, right: 1.0}}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tune")
    tasks = "textqa,generation,captioning"
    sizes = ["--train", "30", "--validation", "3", "--test", "0"]
    assert data_prep(["synthetic", "--out", str(root / "world"), "--seed", "1", *sizes, "--tasks", tasks]) == 0
    (root / "weights" / "vqgan").mkdir(parents=True)
    (root / "weights" / "vqgan" / "config.json").write_text(json.dumps(PICTURES))
    torch.manual_seed(0)
    save_safetensors(VQGAN(**PICTURES), root / "weights" / "vqgan" / "model.safetensors", torch.float16)
    bpe = root / "weights" / "bpe.model"
    assert training(["bpe", "--data", str(root / "world"), "--out", str(bpe), "--vocab", "300"]) == 0
    TINY.save(root / "tiny.json")
    (root / "settings.yaml").write_text(SETTINGS.format(root=root))
    return root


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
    ],
)
def test_bad_data_ends_with_a_message_and_status_2(
    root: Path, overrides: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(root, f"out={root}/bad", *overrides) == 2
    assert complaint in capsys.readouterr().err
