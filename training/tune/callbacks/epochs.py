"""How many steps an epoch has in a mixture of tasks of different sizes. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping

from training.tune.settings import DataSettings, TaskSettings


def samples_of_step(data: DataSettings, tasks: Mapping[str, TaskSettings]) -> dict[str, float]:
    """Return how many samples of each task a step draws, on average."""
    if data.sampling == "samples":
        return {name: float(task.samples) for name, task in tasks.items()}
    batch = data.batch or sum(task.samples for task in tasks.values())
    shares = {name: task.share if data.sampling == "weights" else 1.0 for name, task in tasks.items()}
    return {name: batch * share / sum(shares.values()) for name, share in shares.items()}


def steps_of_epoch(sizes: Mapping[str, int], data: DataSettings, tasks: Mapping[str, TaskSettings]) -> int:
    """Return the steps of one pass over the task that takes longest to go round; `sizes`: its training examples."""
    drawn = samples_of_step(data, tasks)
    return max(math.ceil(sizes[task] / drawn[task]) for task in drawn)


def epoch_of(step: int, epoch_steps: int) -> int:
    """Return the epoch, counted from 1, that a step (counted from 1) belongs to."""
    return (max(step, 1) - 1) // epoch_steps + 1
