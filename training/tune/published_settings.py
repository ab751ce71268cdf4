"""The organisers' `fusion_train.yaml` in our settings: what each of its keys means here, if anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from contest.streaming import stream_input
from training.tune.errors import SettingsError
from training.tune.settings import Number, Whole
from training.tune.settings_keys import flat, in_words

Finite = Annotated[Number, Field(allow_inf_nan=False)]
# Our task name -> the name of its weights in the organisers' file.
TASKS = {
    "textqa": "text",
    "mathqa": "math",
    "generation": "gener",
    "captioning": "capt",
    "vqa": "vqa",
    "text_recognition": "text_recog",
}
SEGMENTS = {"left": "lt_loss_weight", "image": "img_loss_weight", "right": "rt_loss_weight"}
FREEZE = {
    "freeze_emb": "embeddings",
    "freeze_ln": "norms",
    "freeze_attn": "attention",
    "freeze_ff": "feed_forward",
    "freeze_other": "rest",
}
FILES = ("dataset_path", "train_input", "train_output", "val_input", "val_output")
# Key -> why it means nothing here.
MEANINGLESS = {
    "model.rudolph.name": "the size is that of model.params",
    "model.rudolph.cache_dir": "nothing is downloaded",
    "model.rudolph.pretrained": "the weights are those of model.rudolph_weight",
    "model.vae.dwt": "pictures are only encoded, which it does not change",
    "trainer.logger.model_name": "logs lie in the output folder",
    "trainer.checkpoints.filename": "checkpoints are named after their steps",
    "trainer.checkpoints.mode": "a loss is better when it is lower",
    "trainer.checkpoints.save_top_k": "the best one is kept, besides the last ones (checkpoint.keep_last)",
    "trainer.checkpoints.save_last": "the last ones are always kept (checkpoint.keep_last)",
    "trainer.pl_trainer.replace_sampler_ddp": "the batches are shared out by rows",
    "trainer.pl_trainer.enable_progress_bar": "there is a progress bar on a terminal",
    "trainer.pl_trainer.progress_bar_refresh_rate": "there is a progress bar on a terminal",
}
# What the organisers' code does and their file has no key for.
ALWAYS: Mapping[str, Any] = {
    "loss.kind": "published",
    "optim.name": "adamw8bit",  # without decay it is Adam
    "optim.weight_decay": 0.0,
    "optim.beta1": 0.9,
    "optim.beta2": 0.999,
    "optim.schedule": "onecycle",
    "data.special_probability": 0.75,
    "data.reference": "first",
    "data.sampling": "balanced",
}


@dataclass
class PublishedSettings:
    """Our settings by their keys, as plain values, and remarks on keys that mean nothing here or something else."""

    settings: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def is_published(loaded: Mapping[Any, Any]) -> bool:
    """Whether a settings file is one of the organisers' trainer."""
    return "trainer" in loaded


class _Reader:
    """Hands out the values of a nested file by dotted keys, and knows which were never asked for."""

    def __init__(self, path: Path, content: Any) -> None:
        self.path = path
        self.values = flat(content, whole=None)
        self.asked: set[str] = set()

    def error(self, key: str, problem: str) -> SettingsError:
        return SettingsError(f"{self.path}: {key}: {problem}")

    def get(self, key: str, kind: Any, default: Any = None) -> Any:
        """Value of a key as `kind`; without a default the key must be there."""
        self.asked.add(key)
        value = self.values.get(key)
        if value is None:
            if default is None:
                raise self.error(key, "is missing")
            return default
        try:
            # Numbers like 2e-5 are strings to YAML.
            return TypeAdapter(kind).validate_python(value, strict=kind is bool)
        except ValidationError as error:
            raise self.error(key, f"must be {in_words(kind)}, not {value!r}") from error

    def below(self, prefix: str) -> dict[str, Any]:
        """All values whose keys begin with `prefix`."""
        found = {key: value for key, value in self.values.items() if key.startswith(prefix)}
        self.asked |= set(found)
        return {key.removeprefix(prefix): value for key, value in found.items()}


def translate(path: Path, content: Any) -> PublishedSettings:
    """Translate the content of the organisers' file at `path`; the task files that it names are read, to count steps.

    Raises `SettingsError` for unknown and missing keys and values without a counterpart, `ContestFileError` for task
    files that can not be read.
    """
    reader = _Reader(path, content)
    result = PublishedSettings(dict(ALWAYS))
    result.settings["tasks"] = _tasks(reader)
    result.settings |= _model(reader, result.remarks)
    result.settings |= _trainer(reader, list(result.settings["tasks"].values()))
    result.settings["data.folder"] = str(path.parent)  # every task names its own folder
    for key, reason in MEANINGLESS.items():
        if key in reader.values:
            reader.asked.add(key)
            result.remarks.append(f"{key} has no meaning here: {reason}")
    unknown = sorted(set(reader.values) - reader.asked)
    if unknown:
        raise SettingsError(f"{path}: unknown keys {', '.join(unknown)}")
    return result


def _tasks(reader: _Reader) -> dict[str, dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = {}
    for task, theirs in TASKS.items():
        wanted = reader.get(f"tasks.{task}", bool, False)
        if not wanted:
            reader.below(f"data.{task}.")
            reader.below(f"trainer.task_weights.{theirs}.")
            reader.below(f"trainer.task_weights.{theirs}_loss_weight")
            continue
        weights = f"trainer.task_weights.{theirs}"
        folder, *files = (reader.get(f"data.{task}.{name}", str) for name in FILES)
        # Our files are relative to the task's folder, theirs to the folder that they are started in.
        files = [str(Path(name).absolute()) for name in files]
        tasks[task] = {
            "folder": folder,
            "train": files[:2],
            "val": files[2:],
            "weight": reader.get(f"{weights}_loss_weight", Finite),
            **{ours: reader.get(f"{weights}.{name}", Finite) for ours, name in SEGMENTS.items()},
        }
    if not tasks:
        raise reader.error("tasks", "names no task")
    return tasks


def _model(reader: _Reader, remarks: list[str]) -> dict[str, Any]:
    frozen = {ours: reader.get(f"model.freeze.{theirs}", bool, False) for theirs, ours in FREEZE.items()}
    if frozen["attention"] != frozen["rest"]:
        remarks.append("model.freeze.freeze_attn: there the attention is frozen by freeze_other; here by this key")
    params = reader.below("model.params.")
    return {
        "model.start": reader.get("model.rudolph_weight", str),
        "model.params": params or {"name": reader.get("model.rudolph.name", str)},
        "compute.dtype": "float16" if reader.get("model.rudolph.fp16", bool, False) else "float32",
        "compute.device": reader.get("model.rudolph.device", str, "auto"),
        "freeze": frozen,
    }


def _trainer(reader: _Reader, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    checkpoints, trainer = "trainer.checkpoints.", "trainer.pl_trainer."
    processes, batch = reader.get(f"{trainer}gpus", Whole, 1), reader.get("trainer.bs", Whole)
    accumulate = reader.get(f"{trainer}accumulate_grad_batches", Whole, 1)
    amounts = {f"{trainer}gpus": processes, "trainer.bs": batch, f"{trainer}accumulate_grad_batches": accumulate}
    for key, value in amounts.items():
        if value < 1:
            raise reader.error(key, "must be at least 1")
    strategy = reader.get(f"{trainer}strategy", str, "ddp")
    if strategy not in ("ddp", "fsdp"):
        raise reader.error(f"{trainer}strategy", f"must be ddp or fsdp, not {strategy}")
    if reader.get(f"{checkpoints}monitor", str, "train_loss") != "train_loss":
        raise reader.error(f"{checkpoints}monitor", "must be train_loss; our own key is `checkpoint.best`")
    # Their sampler takes as many samples of each task as the smallest has.
    smallest = min(sum(1 for _ in stream_input(task["train"][0])) for task in tasks)
    epoch = math.ceil(math.ceil(smallest * len(tasks) / processes) / (batch * accumulate))
    interval = reader.get(f"{trainer}val_check_interval", Finite, 1.0)
    return {
        "optim.learning_rate": reader.get("trainer.scheduler.max_lr", Finite),
        "data.batch": batch * processes * accumulate,
        "compute.accumulate": accumulate,
        "compute.parallel": strategy,
        "steps": epoch * reader.get(f"{trainer}max_epochs", Whole),
        "logging.epoch_steps": epoch,
        # A share of an epoch, or from above 1 on a number of their batches.
        "validation.every": max(1, int(epoch * interval if interval <= 1 else interval / accumulate)),
        "checkpoint.every": reader.get(f"{checkpoints}every_n_train_steps", Whole, epoch),
        "output": reader.get(f"{checkpoints}dirpath", str),
        "optim.clip": reader.get(f"{trainer}gradient_clip_val", Finite, 1.0),
        "checkpoint.best": "loss",
    }
