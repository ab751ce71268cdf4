"""Names settings that somebody wrote down and that change nothing, beside the other settings of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from training.tune.settings import TuneSettings


def without_effect(given: DictConfig, settings: TuneSettings) -> list[str]:
    """Return a sentence for each setting of `given` (what was written down) that has no effect in `settings`."""
    return [f"{key} has no effect {reason}" for key, reason in _found(settings) if _is_given(given, key)]


def _found(settings: TuneSettings) -> Iterator[tuple[str, str]]:
    if settings.emissions.file is None:
        yield from ((f"emissions.{key}", "without emissions.file") for key in vars(settings.emissions) if key != "file")
    if not settings.lora.rank:
        yield from ((f"lora.{key}", "without lora.rank") for key in vars(settings.lora) if key != "rank")
    if settings.schedule == "onecycle":
        shape = ("warmup_steps", "decay_share", "final_rate_share")
        yield from ((key, "with schedule: onecycle, which has a shape of its own") for key in shape)
    if settings.sampling != "weights":
        yield from ((f"tasks.{name}.share", "without sampling: weights") for name in settings.tasks)
    if settings.sampling != "samples" and settings.batch is not None:
        yield from ((f"tasks.{name}.samples", "beside batch") for name in settings.tasks)
    if not settings.validation_samples:
        for key in ("validate_every", "watch.mode", "watch.answers"):
            yield key, "with validation_samples: 0"


def _is_given(given: DictConfig, key: str) -> bool:
    place: object = given
    for name in key.split("."):
        if not isinstance(place, DictConfig) or name not in place:
            return False
        place = place[name]
    return True
