"""The settings of a fine-tuning run: typed, validated, read from YAML with `key=value` overrides. Trains nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from contest.console import say
from contest.errors import ContestError, ContestFileError
from training.tune.errors import SettingsError
from training.tune.logging_settings import EmissionsSettings, WatchSettings
from training.tune.published_settings import is_published, translate
from training.tune.settings_file import in_words, load_settings_file
from training.tune.without_effect import without_effect

REFERENCES = ("first", "value", "random")
DTYPES = ("float32", "bfloat16", "float16")
LOSSES = ("corrected", "published")
OPTIMIZERS = ("adamw", "adamw8bit")
SCHEDULES = ("cosine", "onecycle")
PARALLELS = ("ddp", "fsdp")
DEVICES = ("auto", "cpu", "cuda")
INITIALIZATIONS = ("normal", "induction")
# (left, image, right) of the published trainer; a task that it does not know is weighed as `TaskSettings` says.
PUBLISHED_SEGMENTS: Mapping[str, tuple[float, float, float]] = {
    "textqa": (1.0, 0.01, 7.0),
    "mathqa": (1.0, 0.01, 7.0),
    "generation": (1.0, 7.0, 0.01),
    "captioning": (1.0, 1.0, 7.0),
    "vqa": (1.0, 1.0, 7.0),
    "text_recognition": (1.0, 1.0, 7.0),
}
LARGEST_SEED = 2**40  # times a million, it is still a seed to torch
LARGEST_BATCH = 2**20
LARGEST_RANK = 2**16
LARGEST_FACTOR = 1e6  # of what is multiplied in float32
AT_MOST = {
    "steps": 2**40,
    **{"accumulate": LARGEST_BATCH, "prefetch": 2**16, "validation_samples": 2**40},
    **{"threads": 2**12, "workers": 2**12},
}
SAMPLINGS = ("samples", "balanced", "weights")


@dataclass
class TaskSettings:
    """How one task is trained: samples of it in a batch, its weight (0: its loss is told, and not trained), and its
    segments' weights (default: published).

    `share`: how often it is drawn where `sampling` is `weights`, relative to the other tasks' shares. `folder`: where
    it lies (default: the folder of its name in `data`). `train` and `val`: its two files, questions and answers, if
    they are not named after the task.
    """

    samples: int = 8
    share: float = 1.0
    weight: float = 1.0
    left: float = 1.0
    image: float = 1.0
    right: float = 7.0
    folder: str | None = None
    train: list[str] | None = None
    val: list[str] | None = None


@dataclass
class FreezeSettings:
    """Which parameters stay as they are, by the groups of the published trainer; see `training.tune.freezing`."""

    embeddings: bool = False
    norms: bool = False
    attention: bool = False
    feed_forward: bool = False
    rest: bool = False


@dataclass
class LoraSettings:
    """Low-rank adapters (Hu et al., LoRA, 2021): of width `rank` (0: none, all weights are trained), scaled by
    `alpha / rank`, beside the linear layers of the groups named by `attention` and `feed_forward`."""

    rank: int = 0
    alpha: float = 16.0
    dropout: float = 0.0
    attention: bool = True
    feed_forward: bool = False


@dataclass
class TuneSettings:
    """A fine-tuning run.

    `data`: task folders; `weights`: a weights directory with `bpe.model` and `vqgan/`; `out`: where checkpoints, logs
    and the trained RUDOLPH go. Training starts from the RUDOLPH in the folder `start` (by default `rudolph/` of the
    weights), or from random weights where `scratch` names a configuration file. `start` may also be a weights file, if
    `model` has the keywords of its configuration. `initialization`: how random weights are drawn: `normal`, or with
    heads laid out that look things up (`induction`; see `training.tune.induction`).
    `special_probability`: how often a task's own left and right token stand in for `<LT_UNK>` and `<RT_UNK>` (each
    drawn separately; published: 0.75). `reference`: the answer trained on: the first, the first that is more than an
    option's marker, or a random one.
    `loss`: `corrected`, or `published` with its mistakes; see `models.rudolph.loss`. `dtype`: what the network computes
    in; the weights are float32 always. `optimizer`: `adamw`, or `adamw8bit`, whose state takes a quarter of the memory.
    `clip`: largest norm of the gradient. `accumulate`: the step's batch is run through the network in so many parts,
    which changes memory and time, and nothing else. `activation_checkpointing`: keep only the layers' inputs and
    compute the rest again. `parallel`: how several processes share the work: each with all weights (`ddp`), or with a
    part of them (`fsdp`). `device`: `auto` takes a GPU where there is one.
    `schedule`: the learning rate warms up linearly over `warmup_steps`, stays, and falls along a cosine over the last
    `decay_share` of the steps to `final_rate_share` of its peak (`cosine`); or goes the published way (`onecycle`).
    `until` ends the run early, at that step of the same schedule; started again with another mixture of tasks, or
    without `until`, it goes on from there.
    `sampling`: which tasks a batch holds: `samples` of each, or `batch` samples (by default as many as all `samples`)
    drawn `balanced` (every task equally often, in random order) or by the tasks' `share` (`weights`). `workers`:
    processes that decode and encode pictures (0: this one). `cache`: folder for what is made of the data once
    (default: `cache` in the data folder). `prefetch`: batches made ahead of the step that needs them.
    `keep_last`: checkpoints kept, besides the best one. `best`: what makes a checkpoint the best: the lowest mean
    `loss` since the one before, the highest mean of the `validation` scores, or the highest of the score of that name.
    `watch`: what is written down of the run, and `emissions`: how its CO2 is measured; see `logging_settings.py`.
    """

    data: str
    weights: str
    out: str
    tasks: dict[str, TaskSettings] = field(default_factory=dict)
    freeze: FreezeSettings = field(default_factory=FreezeSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    scratch: str | None = None
    initialization: str = "normal"
    start: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    loss: str = "corrected"
    steps: int = 1000
    until: int | None = None
    optimizer: str = "adamw"
    schedule: str = "cosine"
    learning_rate: float = 2e-5
    warmup_steps: int = 80
    decay_share: float = 0.4
    final_rate_share: float = 0.03
    beta1: float = 0.9
    beta2: float = 0.98
    weight_decay: float = 0.02
    clip: float = 1.0
    seed: int = 0
    dtype: str = "bfloat16"
    device: str = "auto"
    accumulate: int = 1
    activation_checkpointing: bool = False
    parallel: str = "ddp"
    special_probability: float = 0.75
    reference: str = "first"
    sampling: str = "samples"
    batch: int | None = None
    workers: int = 0
    cache: str | None = None
    prefetch: int = 2
    validate_every: int = 500
    validation_samples: int = 48
    checkpoint_every: int = 250
    keep_last: int = 2
    best: str = "loss"
    threads: int = 1
    watch: WatchSettings = field(default_factory=WatchSettings)
    emissions: EmissionsSettings = field(default_factory=EmissionsSettings)

    def _best_problem(self) -> str | bool:
        if self.best == "loss":
            return False
        if self.best == "validation" and not self.validation_samples:
            return "must be loss: with validation_samples: 0 nothing is validated"
        if self.best not in ("validation", *self.tasks):
            return f"must be one of loss, validation, {', '.join(self.tasks)}"
        larger, smaller = sorted((self.checkpoint_every, self.validate_every), reverse=True)
        # Zero is refused under its own key.
        return (
            smaller > 0 and larger % smaller > 0 and "needs one of checkpoint_every, validate_every to divide the other"
        )

    def check(self) -> None:
        """Raise `SettingsError` naming the first key whose value cannot be used."""
        choices = {
            "loss": LOSSES,
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "reference": REFERENCES,
            "sampling": SAMPLINGS,
            "dtype": DTYPES,
            "device": DEVICES,
            "parallel": PARALLELS,
            "initialization": INITIALIZATIONS,
        }
        at_least = {
            "steps": 1,
            "accumulate": 1,
            "validate_every": 1,
            "checkpoint_every": 1,
            "keep_last": 1,
            "threads": 1,
        }
        at_least |= {"warmup_steps": 0, "workers": 0, "prefetch": 0, "validation_samples": 0}
        shares = ("decay_share", "final_rate_share", "special_probability")
        problems: dict[str, str | bool] = {
            key: getattr(self, key) not in values and f"must be one of {', '.join(values)}"
            for key, values in choices.items()
        }
        problems |= {key: getattr(self, key) < least and f"must be at least {least}" for key, least in at_least.items()}
        problems |= {
            key: problems.get(key) or (getattr(self, key) > most and f"must be at most {most}")
            for key, most in AT_MOST.items()
        }
        problems |= {key: not 0 <= getattr(self, key) <= 1 and "must lie in [0, 1]" for key in shares}
        problems |= {key: not 0 <= getattr(self, key) < 1 and "must lie in [0, 1)" for key in ("beta1", "beta2")}
        problems |= {
            "learning_rate": (not 0 < self.learning_rate < math.inf and "must be positive and finite")
            or (self.learning_rate > LARGEST_FACTOR and f"must be at most {LARGEST_FACTOR:g}"),
            "clip": not self.clip > 0 and "must be positive",
            "weight_decay": (not 0 <= self.weight_decay < math.inf and "must be at least 0 and finite")
            or (self.weight_decay > LARGEST_FACTOR and f"must be at most {LARGEST_FACTOR:g}"),
            "seed": abs(self.seed) > LARGEST_SEED and f"must lie in [-{LARGEST_SEED}, {LARGEST_SEED}]",
            "tasks": (not self.tasks and "names no task")
            or (not any(task.weight for task in self.tasks.values()) and "has weight 0 for every task"),
            "start": self.start is not None and self.scratch is not None and "cannot be given together with scratch",
            "model": bool(self.model) and self.start is None and "describes the weights file `start`, which is not set",
            "scratch": self.scratch is None
            and self.initialization != "normal"
            and "is not set, and only random weights have an initialization",
            "until": self.until is not None and not 1 <= self.until <= self.steps and "must lie in [1, steps]",
            "batch": (self.batch is not None and self.batch < 1 and "must be at least 1")
            or (self.batch is not None and self.batch > LARGEST_BATCH and f"must be at most {LARGEST_BATCH}")
            or (self.batch is not None and self.sampling == "samples" and "needs another sampling than samples"),
            "best": self._best_problem(),
            "lora.rank": (self.lora.rank < 0 and "must not be negative")
            or (self.lora.rank > LARGEST_RANK and f"must be at most {LARGEST_RANK}"),
            "lora.alpha": not 0 < self.lora.alpha < math.inf and "must be positive and finite",
            "lora.dropout": not 0 <= self.lora.dropout < 1 and "must lie in [0, 1)",
            "lora": self.lora.rank > 0
            and not (self.lora.attention or self.lora.feed_forward)
            and "names no layers: set attention or feed_forward",
            "freeze": (self.lora.rank > 0 and any(vars(self.freeze).values()) and "cannot be given together with lora")
            or (all(vars(self.freeze).values()) and "leaves nothing to train"),
        }
        for part in ("watch", "emissions"):
            problems |= {f"{part}.{key}": problem for key, problem in getattr(self, part).problems().items()}
        for name, task in self.tasks.items():
            problems[f"tasks.{name}.samples"] = (task.samples < 1 and "must be at least 1") or (
                task.samples > LARGEST_BATCH and f"must be at most {LARGEST_BATCH}"
            )
            for split in ("train", "val"):
                files = getattr(task, split)
                problems[f"tasks.{name}.{split}"] = (
                    files is not None and len(files) != 2 and "must be two files: questions and answers"
                )
            problems[f"tasks.{name}.share"] = (not 0 < task.share < math.inf and "must be positive and finite") or (
                task.share > LARGEST_FACTOR and f"must be at most {LARGEST_FACTOR:g}"
            )
            for key in ("left", "image", "right", "weight"):
                wrong = not 0 <= getattr(task, key) < math.inf
                problems[f"tasks.{name}.{key}"] = (wrong and "must be at least 0 and finite") or (
                    getattr(task, key) > LARGEST_FACTOR and f"must be at most {LARGEST_FACTOR:g}"
                )
            trained = any((task.left, task.image, task.right))
            problems[f"tasks.{name}"] = not trained and "needs a positive segment weight"
        for key, problem in problems.items():
            if problem:
                raise SettingsError(f"{key}: {problem}")


def _published_segments(given: object) -> dict[str, dict[str, dict[str, float]]]:
    """Segment weights of the given tasks where the published trainer has some."""
    tasks = given.get("tasks") if isinstance(given, DictConfig) else None
    if not isinstance(tasks, DictConfig):
        return {}  # the merge with the typed settings says what is wrong
    names = [str(name) for name in tasks]
    segments = {name: PUBLISHED_SEGMENTS[name] for name in names if name in PUBLISHED_SEGMENTS}
    return {"tasks": {name: dict(zip(("left", "image", "right"), segments[name], strict=True)) for name in segments}}


def read_settings(path: Path, overrides: list[str]) -> TuneSettings:
    """Read a settings file and apply `key=value` overrides (dotted keys for tasks).

    It may be one of the organisers' trainer; keys of theirs that have no meaning here are named on stderr.

    Raises `SettingsError` for a missing file, an unknown key, a wrong type or an impossible value.
    """
    loaded, remarks = load_settings_file(path), list[str]()
    try:
        if is_published(loaded):
            translated = translate(path, OmegaConf.to_container(loaded, resolve=True))
            remarks = translated.remarks
            loaded = OmegaConf.create(translated.settings)
        given = OmegaConf.merge(loaded, OmegaConf.from_dotlist(overrides))
        merged = OmegaConf.merge(OmegaConf.structured(TuneSettings), _published_segments(given), given)
        settings = cast(TuneSettings, OmegaConf.to_object(merged))
    except (SettingsError, ContestError, ContestFileError):
        raise
    except (OmegaConfBaseException, YAMLError, ValueError, OSError, TypeError, RecursionError) as error:
        # TypeError: of OmegaConf, for a list where there should be keys.
        raise SettingsError(f"{path}: {in_words(error)}") from error
    try:
        settings.check()
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    if os.environ.get("RANK", "0") == "0":  # of several processes, the first speaks
        for remark in [*remarks, *without_effect(cast(DictConfig, given), settings)]:
            say(f"{path}: {remark}")
    return settings
