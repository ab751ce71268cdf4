"""The settings of a fine-tuning run: typed, validated, read from YAML with `key=value` overrides. Trains nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

REFERENCES = ("first", "value", "random")
DTYPES = ("float32", "bfloat16")
SAMPLINGS = ("samples", "balanced", "weights")


class SettingsError(ValueError):
    """A setting that cannot be used; says which file, which key and what would be right."""


@dataclass
class TaskSettings:
    """How one task is trained: samples of it in a batch, its weight, and its segments' weights.

    `share`: how often it is drawn where `sampling` is `weights`, relative to the other tasks' shares.
    """

    samples: int = 8
    share: float = 1.0
    weight: float = 1.0
    left: float = 1.0
    image: float = 1.0
    right: float = 7.0


@dataclass
class TuneSettings:
    """A fine-tuning run.

    `data`: task folders; `weights`: a weights directory with `bpe.model` and `vqgan/`; `out`: where checkpoints, logs
    and the trained RUDOLPH go. Training starts from the RUDOLPH in the folder `start` (by default `rudolph/` of the
    weights), or from random weights where `scratch` names a configuration file.
    `special_probability`: how often a task's own left and right token stand in for `<LT_UNK>` and `<RT_UNK>` (each
    drawn separately; published: 0.75). `reference`: the answer trained on: the first, the first that is more than an
    option's marker, or a random one. The learning rate warms up linearly, stays, and falls along a cosine over the
    last `decay_share` of the steps to `final_rate_share` of its peak. `until` ends the run early, at that step of the
    same schedule; started again with another mixture of tasks, or without `until`, it goes on from there.
    `sampling`: which tasks a batch holds: `samples` of each, or `batch` samples (by default as many as all `samples`)
    drawn `balanced` (every task equally often, in random order) or by the tasks' `share` (`weights`). `workers`:
    processes that decode and encode pictures (0: this one). `cache`: folder for what is made of the data once
    (default: `cache` in the data folder). `prefetch`: batches made ahead of the step that needs them.
    """

    data: str
    weights: str
    out: str
    tasks: dict[str, TaskSettings] = field(default_factory=dict)
    scratch: str | None = None
    start: str | None = None
    steps: int = 1000
    until: int | None = None
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
    threads: int = 1

    def check(self) -> None:
        """Raise `SettingsError` naming the first key whose value cannot be used."""
        problems = {
            "tasks": not self.tasks and "names no task",
            "start": self.start is not None and self.scratch is not None and "cannot be given together with scratch",
            "steps": self.steps < 1 and "must be at least 1",
            "until": self.until is not None and not 1 <= self.until <= self.steps and "must lie in [1, steps]",
            "learning_rate": self.learning_rate <= 0 and "must be positive",
            "decay_share": not 0 <= self.decay_share <= 1 and "must lie in [0, 1]",
            "special_probability": not 0 <= self.special_probability <= 1 and "must lie in [0, 1]",
            "reference": self.reference not in REFERENCES and f"must be one of {', '.join(REFERENCES)}",
            "sampling": self.sampling not in SAMPLINGS and f"must be one of {', '.join(SAMPLINGS)}",
            "batch": (self.batch is not None and self.batch < 1 and "must be at least 1")
            or (self.batch is not None and self.sampling == "samples" and "needs another sampling than samples"),
            "workers": self.workers < 0 and "must not be negative",
            "prefetch": self.prefetch < 0 and "must not be negative",
            "dtype": self.dtype not in DTYPES and f"must be one of {', '.join(DTYPES)}",
            "threads": self.threads < 1 and "must be at least 1",
        }
        for name, task in self.tasks.items():
            problems[f"tasks.{name}.samples"] = task.samples < 1 and "must be at least 1"
            problems[f"tasks.{name}.share"] = task.share <= 0 and "must be positive"
            weights = (task.left, task.image, task.right, task.weight)
            problems[f"tasks.{name}"] = (min(weights) < 0 or not any(weights[:3])) and "needs a positive segment weight"
        for key, problem in problems.items():
            if problem:
                raise SettingsError(f"{key}: {problem}")


def read_settings(path: Path, overrides: list[str]) -> TuneSettings:
    """Read a settings file and apply `key=value` overrides (dotted keys for tasks).

    Raises `SettingsError` for a missing file, an unknown key, a wrong type or an impossible value.
    """
    if not path.is_file():
        raise SettingsError(f"{path}: no such settings file")
    try:
        merged = OmegaConf.merge(
            OmegaConf.structured(TuneSettings), OmegaConf.load(path), OmegaConf.from_dotlist(overrides)
        )
        settings = cast(TuneSettings, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise SettingsError(f"{path}: {error}") from error
    try:
        settings.check()
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    return settings
