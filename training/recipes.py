"""How the tiny VQGAN and the tiny ruCLIP are trained, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from contest.command_line import UsageError


@dataclass(frozen=True)
class VqganRecipe:
    """How to train. Shares are of the steps; losses are of pictures in [-1, 1]."""

    steps: int = 4000
    batch: int = 16
    seed: int = 0
    learning_rate: float = 1.5e-3
    signs: float = 0.6  # share of signs in a batch: they are the harder pictures
    gradient_weight: float = 0.5  # of the loss on differences between neighbouring pixels, which keeps edges sharp
    commitment: float = 0.25
    plain: float = 0.12  # share without quantisation
    restart_until: float = 0.8  # share after which dead codes stay, so that the decoder meets a settled codebook
    report_every: int = 250

    def __post_init__(self) -> None:
        if self.steps < 2 or self.batch < 2 or self.report_every < 1:
            raise UsageError("steps and batch must be at least 2, report_every at least 1")
        if not 0 < self.signs < 1 or not 0 < self.plain < self.restart_until <= 1:
            raise UsageError("shares must satisfy 0 < signs < 1 and 0 < plain < restart_until <= 1")

    def learning_rate_at(self, step: int) -> float:
        """Linear over the first 100 steps, then a cosine down to a fiftieth."""
        return _rate(self.learning_rate, step, self.steps, warmup=100)


@dataclass(frozen=True)
class RuclipRecipe:
    """How to train. `neighbours` is the share of a batch whose captions share words: the hard negatives."""

    steps: int = 800
    batch: int = 128
    seed: int = 0
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    neighbours: float = 0.5
    report_every: int = 250

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.report_every < 1:
            raise UsageError("steps and report_every must be at least 1, batch at least 2")
        if not 0 <= self.neighbours <= 1:
            raise UsageError("neighbours must lie in [0, 1]")

    def learning_rate_at(self, step: int) -> float:
        """Linear over the first 60 steps, then a cosine down to a fiftieth."""
        return _rate(self.learning_rate, step, self.steps, warmup=60)


def _rate(peak: float, step: int, steps: int, warmup: int) -> float:
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return peak * min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * cosine)
