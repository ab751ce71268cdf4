"""Scenes in words: the canonical caption and its paraphrases. Knows neither tasks nor pixels."""

from __future__ import annotations

from data_prep.synthetic.language import SHAPE_NOUNS, Case, adjective, counted
from data_prep.synthetic.scenes import Group, Scene


def phrase(group: Group, case: Case = "nominative", say_one: bool = False) -> str:
    """A group in words, e.g. "три красных кольца"."""
    return counted(group.count, group.colour, SHAPE_NOUNS[group.shape], case, say_one)


def captions(scene: Scene) -> tuple[str, ...]:
    """Four true captions, the canonical one first: it alone tells apart any two scenes that differ in more than jitter.

    "два жёлтых ромба над тремя оранжевыми квадратами на розовом фоне", then its paraphrases.
    """
    ground = f"на {adjective(scene.background, 'prepositional', 'masculine')} фоне"
    ground_at_end = f"фон {scene.background}"
    if scene.arrangement == "alone":
        return _captions_of_one(scene.groups[0], ground, ground_at_end)
    first, *_, last = scene.groups
    row = scene.arrangement == "row"
    before, after = ("слева", "справа") if row else ("сверху", "снизу")
    names = [phrase(group) for group in scene.groups]
    if len(scene.groups) == 2:
        if row:
            forwards = f"{names[0]} слева от {phrase(last, 'genitive')}"
            backwards = f"{names[1]} справа от {phrase(first, 'genitive')}"
        else:
            forwards = f"{names[0]} над {phrase(last, 'instrumental')}"
            backwards = f"{names[1]} под {phrase(first, 'instrumental')}"
        places = f"{before} {names[0]}, {after} {names[1]}"
        return f"{forwards} {ground}", f"{ground} {forwards}", f"{places}, {ground_at_end}", f"{backwards} {ground}"
    onwards, back = ("слева направо", "справа налево") if row else ("сверху вниз", "снизу вверх")
    forwards = f"{onwards} {_listed(names)}"
    places = f"{before} {names[0]}, в центре {names[1]}, {after} {names[2]}"
    return (
        f"{forwards} {ground}",
        f"{ground} {forwards}",
        f"{places}, {ground_at_end}",
        f"{back} {_listed(names[::-1])} {ground}",
    )


def _captions_of_one(group: Group, ground: str, ground_at_end: str) -> tuple[str, ...]:
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


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " и " + names[-1]
