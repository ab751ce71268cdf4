"""The learning rate as a function of the step. Pure arithmetic."""

from __future__ import annotations

import math

from training.tune.settings import TuneSettings


def learning_rate(step: int, settings: TuneSettings) -> float:
    """Rate of a step (0-based): linear warm-up, constant, then a cosine down to `final_rate_share` of the peak."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    start = settings.steps * (1 - settings.decay_share)
    if step < start:
        return settings.learning_rate * warm
    progress = (step - start) / max(1.0, settings.steps - start)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    floor = settings.final_rate_share
    return settings.learning_rate * warm * (floor + (1 - floor) * cosine)
