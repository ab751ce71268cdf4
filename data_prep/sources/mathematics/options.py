"""Four options around a given answer that do not tell which it is.

Wrong options made from the right one (one more, one less, its opposite) put it in their middle, and a rule that never
reads the problem finds it. So the answer takes a random place in a pattern of four.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

from data_prep.sources.mathematics.problems import value_of

OPTIONS = 4
STEPS = (1, 1, 1, 2, 2, 3)
OTHER_SHARE = 0.5  # of systems: the other unknown's value is the mistake to make
PROGRESSION_SHARE = 0.5
MIRRORED_SHARE = 0.5  # of the rest


def integers(rng: random.Random, right: int, other: Fraction | None = None) -> list[str]:
    """Three wrong integers for a right one: the four are a progression, two pairs of opposites, or spread alike.

    `other`: the value of a system's other unknown, which is often one of them.
    """
    values = [right]
    if other is not None and other.denominator == 1 and other != right and rng.random() < OTHER_SHARE:
        values.append(int(other))
    pattern = rng.random()
    if pattern < PROGRESSION_SHARE:
        step = rng.choice(STEPS)
        place = rng.randrange(OPTIONS)
        candidates = [right + step * (k - place) for k in range(OPTIONS)]
    elif pattern < PROGRESSION_SHARE + (1 - PROGRESSION_SHARE) * MIRRORED_SHARE and right:
        second = _like(rng, right)
        candidates = [-right, second, -second]
    else:
        candidates = []
    candidates = [value for value in dict.fromkeys(candidates) if value not in values]
    rng.shuffle(candidates)
    values += candidates[: OPTIONS - len(values)]
    while len(values) < OPTIONS:
        drawn = _like(rng, right)
        if drawn not in values:
            values.append(drawn)
    return [str(value) for value in values[1:]]


def among(rng: random.Random, numbers: Sequence[str], right: str) -> list[str]:
    """Three wrong options out of the numbers that are chosen from; where they are only three, a number like them."""
    others = [number for number in numbers if number != right]
    if len(others) >= OPTIONS - 1:
        return rng.sample(others, OPTIONS - 1)
    return others + unlike(rng, numbers, OPTIONS - 1 - len(others))


def unlike(rng: random.Random, numbers: Sequence[str], count: int) -> list[str]:
    """So many numbers, of the kind of the given ones, that are none of them."""
    taken = {value_of(number) for number in numbers}
    found: list[str] = []
    while len(found) < count:
        number = _varied(rng, rng.choice(list(numbers)))
        if value_of(number) not in taken:
            taken.add(value_of(number))
            found.append(number)
    return found


def orders(rng: random.Random, right: Sequence[str]) -> list[tuple[str, ...]]:
    """Three other orders of three and more values: most often the reverse one, and ones with two values exchanged."""
    found: list[tuple[str, ...]] = []
    if rng.random() < 0.7:
        found.append(tuple(reversed(right)))
    while len(found) < OPTIONS - 1:
        values = list(found[0] if found and rng.random() < 0.5 else right)
        first, second = rng.sample(range(len(values)), 2)
        values[first], values[second] = values[second], values[first]
        order = tuple(values)
        if order != tuple(right) and order not in found:
            found.append(order)
    return found


def _like(rng: random.Random, right: int) -> int:
    """An integer of either sign that might be the answer: were they all farther out, the smallest would be right."""
    reach = max(5, rng.choice((abs(right) // 2, abs(right), abs(right), 2 * abs(right))))
    return rng.randint(-reach, reach)


def _varied(rng: random.Random, number: str) -> str:
    """A number that is written as the given one is, with another value."""
    sign = rng.choice(("", "-"))
    if "/" in number:
        top, bottom = number.lstrip("-").split("/")
        made = Fraction(int(top) + rng.randint(1, 9), int(bottom))
        return f"{sign}{made}"
    if "." in number:
        whole, digits = number.lstrip("-").split(".")
        return f"{sign}{whole}.{str(rng.randrange(10 ** len(digits))).zfill(len(digits))}"
    return str(int(number) + rng.choice((-1, 1)) * rng.randint(1, 20))
