"""Lettered options, as the contest writes them, and their three acceptable answers. Knows no task and no source."""

from __future__ import annotations

import random
from collections.abc import Sequence

MARKERS = "abcdefgh"
OPTIONS_LEAD = "Варианты: "
LEAD_SHARE = 0.3


def lettered_options(rng: random.Random, right: str, wrong: Sequence[str]) -> tuple[str, tuple[str, str, str]]:
    """An options text "a) ...; b) ...; c) ..." in random order, and the three answers (marker, value, "marker value").

    Raises ValueError if two options are equal or there are more than eight.
    """
    options = [right, *wrong]
    if len(set(options)) != len(options) or len(options) > len(MARKERS):
        raise ValueError(f"options must be different and at most {len(MARKERS)}, got {options}")
    rng.shuffle(options)
    marker = MARKERS[options.index(right)]
    text = "; ".join(f"{letter}) {option}" for letter, option in zip(MARKERS, options, strict=False))
    lead = OPTIONS_LEAD if rng.random() < LEAD_SHARE else ""
    return lead + text, (marker, right, f"{marker} {right}")
