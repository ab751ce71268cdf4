"""Our hidden variants with a picture, H3 to H6 (the contest never published its own)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.captions import content, phrase
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import image_item, with_instruction, with_picture_anywhere
from data_prep.synthetic.language import number_word
from data_prep.synthetic.scenes import COLOURS, SHAPES, Scene, ShapeGroup, arrange, draw_scene
from data_prep.synthetic.signs import draw_sign
from data_prep.synthetic.vqa import side_of


def make_drawing_from_list(rng: random.Random, grade: Grade) -> Drawn:
    """H3, a variant of generation: the scene is given as a list of attributes."""
    scene = draw_scene(rng, grade)
    items = with_instruction(rng, "hidden3", [text_item(attribute_list(scene))])
    return Drawn(items, (), scene, "attribute list", grade)


def make_part_description(rng: random.Random, grade: Grade) -> Drawn:
    """H4, a variant of captioning: describe one group of the scene and nothing else."""
    counts = {"easy": [1, 1], "middle": [rng.choice((1, 2)), 2], "hard": rng.choice(([1, 1, 1], [3, 1], [2, 3]))}[grade]
    scene = arrange(rng, counts)
    place = rng.randrange(len(scene.groups))
    group, side = scene.groups[place], side_of(scene, place)
    asked = rng.choice(("Опиши только то, что {}.", "Опиши только фигуры {}.")).format(side)
    answers = tuple(dict.fromkeys((phrase(group), phrase(group, say_one=True))))
    return Drawn((text_item(asked), image_item()), answers, scene, f"part {side}", grade)


def make_caption_choice(rng: random.Random, grade: Grade) -> Drawn:
    """H5, a variant of visual question answering: which of four captions is right? The wrong ones differ in little."""
    scene = draw_scene(rng, grade)
    right, *wrong = caption_square(rng, scene)
    options, answers = lettered_options(rng, right, wrong)
    texts = [text_item("Какое описание подходит к картинке?"), text_item(options)]
    items = with_picture_anywhere(rng, with_instruction(rng, "hidden5", texts))
    return Drawn(items, answers, scene, "caption choice", grade)


def make_sign_question(rng: random.Random, grade: Grade) -> Drawn:
    """H6, a variant of text recognition: the first character of a sign, or how many it has."""
    sign = draw_sign(rng, grade)
    character, whole = ("цифры", "число") if sign.text.isdigit() else ("буквы", "слово")
    length = len(sign.text)
    answers: tuple[str, ...]
    if rng.random() < 0.5:
        kind, asked, answers = "first", f"С какой {character} начинается {whole}?", (sign.text[0],)
    else:
        kind, asked = "length", "Сколько цифр в числе?" if sign.text.isdigit() else "Сколько букв в слове?"
        answers = (str(length), number_word(length, "nominative", "feminine"))
    return Drawn(with_picture_anywhere(rng, [text_item(asked)]), answers, sign, kind, grade)


def attribute_list(scene: Scene) -> str:
    """ "Фон: белый. Фигура: ромб, цвет: жёлтый, количество: 2, место: слева.": all but jitter."""
    sentences = [f"Фон: {scene.background}."]
    for place, group in enumerate(scene.groups):
        where = "в центре" if scene.arrangement == "alone" else side_of(scene, place)
        sentences.append(f"Фигура: {group.shape}, цвет: {group.colour}, количество: {group.count}, место: {where}.")
    return " ".join(sentences)


def caption_square(rng: random.Random, scene: Scene) -> tuple[str, str, str, str]:
    """The scene's caption, that of the scene changed in one way, in another way, and in both ways.

    Four corners of a square: each is as near to the others as the right one, so that the options alone tell nothing.
    """
    changes = _changes(rng, scene)
    one, other = (changes[i] for i in sorted(rng.sample(range(len(changes)), 2)))
    return content(scene), content(one(scene)), content(other(scene)), content(other(one(scene)))


def _changes(rng: random.Random, scene: Scene) -> list[Callable[[Scene], Scene]]:
    """Changes of one group's colour, shape and count, and of the order, to scenes that the world draws as often.

    The order is last: the others find their group by its place.
    """
    place = rng.randrange(len(scene.groups))
    group = scene.groups[place]
    colour = rng.choice([name for name in COLOURS if name not in {each.colour for each in scene.groups}])
    shape = rng.choice([name for name in SHAPES if name not in {each.shape for each in scene.groups}])
    changes: list[Callable[[Scene], Scene]] = [
        lambda scene: _with_group(scene, place, replace(scene.groups[place], colour=colour)),
        lambda scene: _with_group(scene, place, replace(scene.groups[place], shape=shape)),
    ]
    counterpart = {1: 2, 2: 1, 3: 4, 4: 3}[group.count]
    if scene.arrangement == "alone" or (len(scene.groups) == 2 and group.count < 3):
        changes.append(lambda scene: _with_group(scene, place, replace(scene.groups[place], count=counterpart)))
    if len(scene.groups) > 1:
        changes.append(lambda scene: replace(scene, groups=scene.groups[::-1]))
    return changes


def _with_group(scene: Scene, place: int, group: ShapeGroup) -> Scene:
    return replace(scene, groups=(*scene.groups[:place], group, *scene.groups[place + 1 :]))
