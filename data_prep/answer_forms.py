"""Forms of short answers: lettered options, what else is right, and which options are surely wrong.

Of right and wrong, only closed classes are touched (colours, small numbers, yes and no): of other words nobody can say
what is wrong.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from data_prep.cleaning import fold

NUMBERS = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять")
# Stems with their endings: masculine, feminine, neuter, plural, genitive masculine, genitive feminine.
_HARD = ("ый", "ая", "ое", "ые", "ого", "ой")
_STRESSED = ("ой", "ая", "ое", "ые", "ого", "ой")
_SOFT = ("ий", "яя", "ее", "ие", "его", "ей")
COLOURS: Mapping[str, tuple[str, ...]] = {
    "красн": _HARD, "зелён": _HARD, "жёлт": _HARD, "бел": _HARD, "чёрн": _HARD, "сер": _HARD, "розов": _HARD,
    "оранжев": _HARD, "фиолетов": _HARD, "коричнев": _HARD, "бежев": _HARD, "голуб": _STRESSED, "син": _SOFT,
}  # fmt: skip
YES_NO = ("да", "нет")
WRONG_OPTIONS = 3
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


def references(answer: str) -> tuple[str, ...]:
    """The answer and its other forms: a colour's genders and genitives, a number in digits and in words."""
    folded = fold(answer)
    if folded in _COLOUR_FORMS:
        stem, _ = _COLOUR_FORMS[folded]
        return tuple(dict.fromkeys([answer, *(stem + ending for ending in COLOURS[stem])]))
    number = _number(folded)
    if number is not None:
        return tuple(dict.fromkeys([answer, str(number), NUMBERS[number]]))
    return (answer,)


def wrong_answers(rng: random.Random, answer: str) -> list[str]:
    """Answers of the same class and form that are wrong if this one is right; none for an answer of no class."""
    folded = fold(answer)
    if folded in YES_NO:
        return [other for other in YES_NO if other != folded]
    if folded in _COLOUR_FORMS:
        stem, place = _COLOUR_FORMS[folded]
        others = rng.sample([other for other in COLOURS if other != stem], WRONG_OPTIONS)
        return [other + COLOURS[other][place] for other in others]
    number = _number(folded)
    if number is None:
        return []
    others_numbers = rng.sample([other for other in range(len(NUMBERS)) if other != number], WRONG_OPTIONS)
    return [str(other) if folded.isdigit() else NUMBERS[other] for other in others_numbers]


def _number(folded: str) -> int | None:
    if folded.isascii() and folded.isdigit() and int(folded[:3]) < len(NUMBERS):
        return int(folded[:3]) if folded == str(int(folded[:3])) else None
    return NUMBERS.index(folded) if folded in NUMBERS else None


_COLOUR_FORMS = {
    fold(stem + ending): (stem, place)
    for stem, endings in reversed(list(COLOURS.items()))
    for place, ending in reversed(list(enumerate(endings)))
}
