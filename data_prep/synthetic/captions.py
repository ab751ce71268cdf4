"""Scenes in words: the canonical caption and its paraphrases."""

from __future__ import annotations

from collections.abc import Mapping

from data_prep.synthetic.language import SHAPE_NOUNS, Case, adjective, counted
from data_prep.synthetic.scenes import Arrangement, Scene, ShapeGroup

# How groups are listed; what the first of two is to the second, and the second's case; by arrangement and backwards.
_DIRECTIONS: Mapping[tuple[Arrangement, bool], tuple[str, str, Case]] = {
    ("row", False): ("слева направо", "слева от", "genitive"),
    ("row", True): ("справа налево", "справа от", "genitive"),
    ("column", False): ("сверху вниз", "над", "instrumental"),
    ("column", True): ("снизу вверх", "под", "instrumental"),
}


def phrase(group: ShapeGroup, case: Case = "nominative", say_one: bool = False) -> str:
    """A group in words, e.g. "три красных кольца"."""
    return counted(group.count, group.colour, SHAPE_NOUNS[group.shape], case, say_one)


def captions(scene: Scene) -> tuple[str, ...]:
    """Four true captions, the canonical one first: it differs between any two scenes that differ in more than jitter.

    "два жёлтых ромба над тремя оранжевыми квадратами на розовом фоне", then its paraphrases.
    """
    ground = f"на {adjective(scene.background, 'prepositional', 'masculine')} фоне"
    ground_at_end = f"фон {scene.background}"
    if scene.arrangement == "alone":
        return _captions_of_one(scene.groups[0], ground, ground_at_end)
    forwards, backwards = content(scene), content(scene, backwards=True)
    before, after = ("слева", "справа") if scene.arrangement == "row" else ("сверху", "снизу")
    sides = (before, after) if len(scene.groups) == 2 else (before, "в центре", after)
    places = ", ".join(f"{side} {phrase(group)}" for side, group in zip(sides, scene.groups, strict=True))
    return f"{forwards} {ground}", f"{ground} {forwards}", f"{places}, {ground_at_end}", f"{backwards} {ground}"


def content(scene: Scene, backwards: bool = False) -> str:
    """The canonical caption without the background: "два жёлтых ромба над тремя оранжевыми квадратами".

    `backwards`: begun from the other end, as in "три оранжевых квадрата под двумя жёлтыми ромбами".
    """
    groups = scene.groups[::-1] if backwards else scene.groups
    if scene.arrangement == "alone":
        return phrase(groups[0])
    direction, beside, case = _DIRECTIONS[scene.arrangement, backwards]
    if len(groups) > 2:
        return f"{direction} {_listed(groups)}"
    return f"{phrase(groups[0])} {beside} {phrase(groups[1], case)}"


def _captions_of_one(group: ShapeGroup, ground: str, ground_at_end: str) -> tuple[str, ...]:
    gender = SHAPE_NOUNS[group.shape].gender
    shown = {"masculine": "изображён", "feminine": "изображена", "neuter": "изображено"}[gender]
    if group.count > 1:
        shown = "изображены"
    name = phrase(group)
    return (
        f"{name} {ground}",
        f"{ground} {name}",
        f"на картинке {shown} {name}, {ground_at_end}",
        f"{ground} {shown} {phrase(group, say_one=True)}",
    )


def _listed(groups: tuple[ShapeGroup, ...]) -> str:
    names = [phrase(group) for group in groups]
    return ", ".join(names[:-1]) + " и " + names[-1]
