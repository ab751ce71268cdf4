"""The learning rate as a function of the step. Pure arithmetic."""

from __future__ import annotations

import math

from training.tune.settings import OptimSettings

# The published schedule: torch's OneCycleLR with its defaults, but for the last one.
ONECYCLE_WARM_SHARE = 0.3
ONECYCLE_START_DIVISOR = 25.0
ONECYCLE_FINAL_DIVISOR = 500.0


def learning_rate(step: int, steps: int, optim: OptimSettings) -> float:
    """Rate of a step (0-based) of so many."""
    return _onecycle(step, steps, optim) if optim.schedule == "onecycle" else _cosine(step, steps, optim)


def _cosine(step: int, steps: int, optim: OptimSettings) -> float:
    """Linear warm-up, constant, then a cosine down to `final_rate_share` of the peak."""
    warm = min(1.0, (step + 1) / max(1, optim.warmup_steps))
    start = steps * (1 - optim.decay_share)
    if step < start:
        return optim.learning_rate * warm
    progress = (step - start) / max(1.0, steps - start)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    floor = optim.final_rate_share
    return optim.learning_rate * warm * (floor + (1 - floor) * cosine)


def _onecycle(step: int, steps: int, optim: OptimSettings) -> float:
    """Half a cosine up from 1/25 of the peak over the first 30% of the steps, and half a one down to 1/500 of that.

    Smith and Topin, Super-Convergence, 2018.
    """
    peak = optim.learning_rate
    low = peak / ONECYCLE_START_DIVISOR
    top = ONECYCLE_WARM_SHARE * steps - 1  # the step of the peak
    last = steps - 1
    if step <= top:
        start, end, progress = low, peak, step / top
    else:
        start, end, progress = peak, low / ONECYCLE_FINAL_DIVISOR, (step - top) / (last - top)
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))
