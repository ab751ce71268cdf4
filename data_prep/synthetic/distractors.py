"""Four numbers as options that do not tell which is right.

Distractors made from the right value (x - 1, x + 1, -x) put it in their middle, and a rule that never reads the
question finds it. So the four values are drawn first, and the problem is built around one of them taken at random.
"""

from __future__ import annotations

import random

OPTIONS = 4
STEPS = (1, 1, 2, 3, 5)
PROGRESSION_SHARE = 0.5
MIRRORED_SHARE = 0.4  # of the rest, where the range reaches far enough below zero


def four_integers(rng: random.Random, low: int, high: int) -> list[int]:
    """Four different integers of [low, high] in random order: the first is as likely as any other to be any of them.

    They are a progression, two pairs of opposite numbers, or independent.
    Raises ValueError if there are fewer than four integers in the range.
    """
    if high - low + 1 < OPTIONS:
        raise ValueError(f"four different integers need a range of four or more, got {low} to {high}")
    reach = min(high, -low)
    if rng.random() < PROGRESSION_SHARE:
        step = rng.choice([step for step in STEPS if (OPTIONS - 1) * step <= high - low])
        start = rng.randint(low, high - (OPTIONS - 1) * step)
        values = [start + step * place for place in range(OPTIONS)]
    elif reach >= 2 and rng.random() < MIRRORED_SHARE:
        near, far = rng.sample(range(1, reach + 1), 2)
        values = [near, -near, far, -far]
    else:
        values = rng.sample(range(low, high + 1), OPTIONS)
    rng.shuffle(values)
    return values
