"""How many steps an epoch has in a mixture of tasks of different sizes. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping

from training.tune.settings import TuneSettings


def samples_of_step(settings: TuneSettings) -> dict[str, float]:
    """Return how many samples of each task a step draws, on average."""
    tasks = settings.tasks
    if settings.sampling == "samples":
        return {name: float(task.samples) for name, task in tasks.items()}
    batch = settings.batch or sum(task.samples for task in tasks.values())
    shares = {name: task.share if settings.sampling == "weights" else 1.0 for name, task in tasks.items()}
    return {name: batch * share / sum(shares.values()) for name, share in shares.items()}


def steps_of_epoch(sizes: Mapping[str, int], settings: TuneSettings) -> int:
    """Return the steps of an epoch: as set, or one pass over the task that takes longest to go round.

    `sizes`: training examples of each task.
    """
    if settings.watch.epoch_steps is not None:
        return settings.watch.epoch_steps
    drawn = samples_of_step(settings)
    return max(math.ceil(sizes[task] / drawn[task]) for task in drawn)


def epoch_of(step: int, epoch_steps: int) -> int:
    """Return the epoch, counted from 1, that a step (counted from 1) belongs to."""
    return (max(step, 1) - 1) // epoch_steps + 1
