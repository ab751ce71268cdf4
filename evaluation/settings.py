"""What a person may choose about a scoring, with the defaults. Imports nothing heavy: every `--help` shows these."""

from __future__ import annotations

from typing import Literal, TypeAlias

FidFeatures: TypeAlias = Literal["inception", "ruclip"]
FID_FEATURES: tuple[FidFeatures, ...] = ("inception", "ruclip")

RESAMPLES, SEED = 1000, 0  # of the randomisation test
INTEGRAL = "integral"
"""How S is named beside the keys of the tasks."""
BASELINE_INTEGRAL = 0.24
"""S of the organisers' baseline as they publish it, to two digits."""
