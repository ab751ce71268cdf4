"""Names settings that somebody wrote down and that change nothing, given the other settings of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.tune.settings import TuneSettings
from training.tune.settings_keys import flat


def without_effect(given: Mapping[str, Any], settings: TuneSettings) -> list[str]:
    """Return a sentence for each setting of `given` (what was written down) that has no effect in `settings`."""
    keys = flat(given)
    return [f"{key} has no effect {reason}" for key, reason in _candidates(settings) if key in keys]


def _candidates(settings: TuneSettings) -> Iterator[tuple[str, str]]:
    if settings.emissions.file is None:
        yield from ((f"emissions.{key}", "without emissions.file") for key in vars(settings.emissions) if key != "file")
    if not settings.lora.rank:
        yield from ((f"lora.{key}", "without lora.rank") for key in vars(settings.lora) if key != "rank")
    if not settings.compute.activation_checkpointing:
        yield "compute.keep_products", "without compute.activation_checkpointing"
    if settings.compute.device == "cpu":
        yield "compute.attention", "on a CPU, which computes it by blocks"
    if settings.optim.schedule == "onecycle":
        shape = ("warmup_steps", "decay_share", "final_rate_share")
        yield from ((f"optim.{key}", "with optim.schedule: onecycle, which has a shape of its own") for key in shape)
    for name, task in settings.tasks.items():
        if task.train_shards is None:
            reason = f"without tasks.{name}.train_shards"
            yield from ((f"tasks.{name}.columns.{key}", reason) for key in vars(task.columns))
    if settings.data.sampling != "weights":
        yield from ((f"tasks.{name}.share", "without data.sampling: weights") for name in settings.tasks)
    if settings.data.sampling != "samples" and settings.data.batch is not None:
        yield from ((f"tasks.{name}.samples", "with data.batch") for name in settings.tasks)
    if not settings.validation.samples:
        for key in ("validation.every", "validation.mode", "logging.answers"):
            yield key, "with validation.samples: 0"
