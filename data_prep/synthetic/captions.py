"""Scenes in words: the canonical caption and its paraphrases."""

from __future__ import annotations

from data_prep.synthetic.language import SHAPE_NOUNS, Case, adjective, counted
from data_prep.synthetic.scenes import Scene, ShapeGroup


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
    forwards, backwards = content(scene), _content_backwards(scene)
    before, after = ("слева", "справа") if scene.arrangement == "row" else ("сверху", "снизу")
    sides = (before, after) if len(scene.groups) == 2 else (before, "в центре", after)
    places = ", ".join(f"{side} {phrase(group)}" for side, group in zip(sides, scene.groups, strict=True))
    return f"{forwards} {ground}", f"{ground} {forwards}", f"{places}, {ground_at_end}", f"{backwards} {ground}"


def content(scene: Scene) -> str:
    """The canonical caption without the background: "два жёлтых ромба над тремя оранжевыми квадратами"."""
    first, last = scene.groups[0], scene.groups[-1]
    if scene.arrangement == "alone":
        return phrase(first)
    row = scene.arrangement == "row"
    if len(scene.groups) > 2:
        return f"{'слева направо' if row else 'сверху вниз'} {_listed(scene.groups)}"
    return phrase(first) + (f" слева от {phrase(last, 'genitive')}" if row else f" над {phrase(last, 'instrumental')}")


def _content_backwards(scene: Scene) -> str:
    """As `content` of a scene of several groups, but begun from the other end."""
    first, last = scene.groups[0], scene.groups[-1]
    row = scene.arrangement == "row"
    if len(scene.groups) > 2:
        return f"{'справа налево' if row else 'снизу вверх'} {_listed(scene.groups[::-1])}"
    return phrase(last) + (
        f" справа от {phrase(first, 'genitive')}" if row else f" под {phrase(first, 'instrumental')}"
    )


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
