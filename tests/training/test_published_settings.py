"""The organisers' `fusion_train.yaml`: every key of theirs is understood, refused, or named as meaningless."""

import json
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.rudolph import Config, Rudolph
from models.weights import WeightsError, save_state_dict
from training.__main__ import main as training
from training.tune.errors import SettingsError
from training.tune.initial_weights import starting_config, starting_model
from training.tune.published_settings import MEANINGLESS, TASKS
from training.tune.settings_file import PUBLISHED_SEGMENTS, read_settings

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
SIZES = {"textqa": 40, "mathqa": 30, "generation": 50, "captioning": 60, "vqa": 70, "text_recognition": 80}
PARAMS: dict[str, Any] = {
    "num_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "embedding_dropout_prob": 0.1,
    "output_dropout_prob": 0.1,
    "attention_dropout_prob": 0.1,
    "l_text_seq_length": 8,
    "image_tokens_per_dim": 3,
    "r_text_seq_length": 8,
    "kernel_size": 3,
    "last_kernel_size": 3,
    "cogview_sandwich_layernorm": True,
    "cogview_pb_relax": True,
    "text_special_tokens": 32,
    "image_special_tokens": 4,
    "vocab_size": 40,
    "image_vocab_size": 16,
    "mlp_activation": "gelu_jit",
}


def published(root: Path) -> dict[str, Any]:
    """All keys of the organisers' file, with task files of ours."""
    data = {}
    for task, size in SIZES.items():
        folder = root / "datasets" / task
        folder.mkdir(parents=True, exist_ok=True)
        for split, number in (("train", size), ("val", 2)):
            questions = {str(k): [{"type": "text", "content": "сколько?"}] for k in range(number)}
            (folder / f"small_{split}.json").write_text(json.dumps(questions))
            answers = {name: [{"type": "text", "content": "два"}] for name in questions}
            (folder / f"small_{split}_answer.json").write_text(json.dumps(answers))
        data[task] = {
            "dataset_path": f"{folder}/",
            "train_input": f"{folder}/small_train.json",
            "train_output": f"{folder}/small_train_answer.json",
            "val_input": f"{folder}/small_val.json",
            "val_output": f"{folder}/small_val_answer.json",
        }
    weights: dict[str, Any] = {f"{name}_loss_weight": 0.5 for name in TASKS.values()}
    for task, name in TASKS.items():
        left, image, right = PUBLISHED_SEGMENTS[task]
        weights[name] = {"lt_loss_weight": left, "img_loss_weight": image, "rt_loss_weight": right}
    return {
        "tasks": dict.fromkeys(SIZES, True),
        "data": data,
        "model": {
            "rudolph": {"name": "1.3B", "fp16": True, "device": "cpu", "cache_dir": "/tmp/x", "pretrained": False},
            "rudolph_weight": f"{root}/weights/pytorch_model.bin",
            "vae": {"dwt": False},
            "freeze": dict.fromkeys(("freeze_emb", "freeze_ln", "freeze_attn", "freeze_ff", "freeze_other"), False),
            "params": dict(PARAMS),
        },
        "trainer": {
            "bs": 5,
            "task_weights": weights,
            "scheduler": {"max_lr": "2e-5"},
            "logger": {"model_name": "multi"},
            "checkpoints": {
                "filename": "multi_rudolph_{epoch:02d}_{step:03d}",
                "every_n_train_steps": 1000,
                "dirpath": f"{root}/checkpoints/",
                "monitor": "train_loss",
                "mode": "min",
                "save_top_k": 10,
                "save_last": True,
            },
            "pl_trainer": {
                "gpus": 2,
                "strategy": "ddp",
                "replace_sampler_ddp": True,
                "max_epochs": 2,
                "gradient_clip_val": 1.0,
                "enable_progress_bar": True,
                "progress_bar_refresh_rate": 30,
                "val_check_interval": 0.25,
            },
        },
    }


def put(content: dict[str, Any], key: str, value: Any) -> None:
    *above, last = key.split(".")
    for name in above:
        content = content.setdefault(name, {})
    content[last] = value


def written(root: Path, *changes: tuple[str, Any]) -> Path:
    content = published(root)
    for key, value in changes:
        put(content, key, value)
    path = root / "fusion_train.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_what_its_keys_mean_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = read_settings(written(tmp_path), ["weights=elsewhere", "seed=3"])
    assert set(settings.tasks) == set(SIZES)
    generation = settings.tasks["generation"]
    assert (generation.weight, generation.left, generation.image, generation.right) == (0.5, 1.0, 7.0, 0.01)
    assert generation.folder == f"{tmp_path}/datasets/generation/"
    assert generation.train == [
        f"{tmp_path}/datasets/generation/small_{name}.json" for name in ("train", "train_answer")
    ]
    data, optim, compute = settings.data, settings.optim, settings.compute
    assert (settings.loss.kind, data.sampling, data.special_probability) == ("published", "balanced", 0.75)
    assert (optim.name, optim.weight_decay, optim.beta1, optim.beta2) == ("adamw8bit", 0.0, 0.9, 0.999)
    assert (optim.schedule, optim.learning_rate, optim.clip) == ("onecycle", 2e-5, 1.0)
    assert (compute.dtype, compute.device, compute.parallel) == ("float16", "cpu", "ddp")
    assert (data.batch, compute.accumulate) == (10, 1)
    # 6 tasks x 30 samples on 2 GPUs are 90 each, 18 batches of 5.
    assert (settings.steps, settings.logging.epoch_steps, settings.validation.every) == (36, 18, 4)
    assert (settings.output, settings.checkpoint.every) == (f"{tmp_path}/checkpoints/", 1000)
    assert (settings.weights, settings.seed) == ("elsewhere", 3)
    assert starting_config(settings.model, Path(settings.weights)) == Config(**PARAMS)
    remarks = capsys.readouterr().err
    for key in MEANINGLESS:
        assert f"{key} has no meaning here" in remarks


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("trainer.pl_trainer.accumulate_grad_batches", 4)], {"data.batch": 40, "compute.accumulate": 4, "steps": 10}),
        ([("trainer.pl_trainer.val_check_interval", 7)], {"validation.every": 7}),
        ([("model.rudolph.fp16", False)], {"compute.dtype": "float32"}),
        ([("tasks.mathqa", False)], {"steps": 40}),
    ],
)
def test_values_that_depend_on_others(
    tmp_path: Path, changes: list[tuple[str, Any]], expected: dict[str, object]
) -> None:
    settings = read_settings(written(tmp_path, *changes), ["weights=elsewhere"])
    assert {key: attrgetter(key)(settings) for key in expected} == expected


def test_what_is_frozen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ("model.freeze.freeze_attn", True), ("model.freeze.freeze_emb", True))
    frozen = read_settings(path, ["weights=elsewhere"]).freeze
    assert [name for name, value in vars(frozen).items() if value] == ["embeddings", "attention"]
    assert "freeze_attn: there the attention is frozen by freeze_other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("trainer.pl_trainer.amp_level", "O1", "unknown keys trainer.pl_trainer.amp_level"),
        ("data.vqa.test_input", "x", "unknown keys data.vqa.test_input"),
        ("data.vqa.train_input", None, "data.vqa.train_input: is missing"),
        ("trainer.bs", "five", "trainer.bs: must be a whole number, not 'five'"),
        ("trainer.bs", 0, "trainer.bs: must be at least 1"),
        ("trainer.bs", 2.5, "trainer.bs: must be a whole number, not 2.5"),
        ("trainer.bs", float("inf"), "trainer.bs: must be a whole number, not inf"),
        ("trainer.pl_trainer.accumulate_grad_batches", 0, "accumulate_grad_batches: must be at least 1"),
        ("trainer.pl_trainer.val_check_interval", float("inf"), "val_check_interval: must be a number, not inf"),
        ("trainer.scheduler.max_lr", ".nan", "max_lr: must be a number, not '.nan'"),
        ("trainer.scheduler.max_lr", float("nan"), "max_lr: must be a number, not nan"),
        ("tasks.vqa", "yes please", "tasks.vqa: must be true or false"),
        ("trainer.pl_trainer.strategy", "deepspeed", "strategy: must be ddp or fsdp, not deepspeed"),
        ("trainer.checkpoints.monitor", "valid_loss", "monitor: must be train_loss"),
        ("trainer.scheduler.max_lr", -1, "optim.learning_rate: must be a number above 0"),
    ],
)
def test_unusable_settings_are_named(tmp_path: Path, key: str, value: object, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_settings(written(tmp_path, (key, value)), ["weights=elsewhere"])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("data.vqa.train_input", "/nowhere/vqa.json")], "/nowhere/vqa.json"),
        ([("model.params.hidden_sise", 16)], "model.params: .*hidden_sise"),
        ([("model.params.hidden_size", 15)], "model.params: hidden_size 15 is not a multiple"),
        ([], "weights: elsewhere/bpe.model: No such file"),
    ],
)
def test_missing_files_and_bad_sizes_end_with_status_2(
    tmp_path: Path, changes: list[tuple[str, Any]], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, *changes)
    assert training(["tune", "--config", str(path), "weights=elsewhere"]) == 2
    assert re.search(complaint, f"\n{capsys.readouterr().err}".partition("\ntraining tune: ")[2])


def test_weights_file_is_read_and_wrong_sizes_are_named(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    model = Rudolph(Config(**PARAMS))
    save_state_dict(model, tmp_path / "weights" / "pytorch_model.bin")
    settings = read_settings(written(tmp_path), ["weights=elsewhere"])
    loaded = starting_model(settings.model, Path("elsewhere"), 0).state_dict()
    assert all(loaded[name].equal(tensor) for name, tensor in model.state_dict().items())
    other = read_settings(written(tmp_path, ("model.params.hidden_size", 32)), ["weights=elsewhere"])
    with pytest.raises(WeightsError, match=r"text_embeddings.weight: shape \[72, 32\] expected, \[72, 16\] found"):
        starting_model(other.model, Path("elsewhere"), 0)


def test_fbc2_settings_hold_all_tasks_as_published() -> None:
    settings = read_settings(CONFIGS / "fbc2.yaml", [])
    assert {name: (task.left, task.image, task.right) for name, task in settings.tasks.items()} == {
        "textqa": (1.0, 0.01, 7.0),
        "mathqa": (1.0, 0.01, 7.0),
        "generation": (1.0, 7.0, 0.01),
        "captioning": (1.0, 1.0, 7.0),
        "vqa": (1.0, 1.0, 7.0),
        "text_recognition": (1.0, 1.0, 7.0),
    }
    assert (settings.data.sampling, settings.data.special_probability) == ("balanced", 0.75)
