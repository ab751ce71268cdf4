"""VisualQA: questions about a scene that it answers without doubt, with and without options."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.captions import phrase
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import with_instruction, with_picture_anywhere
from data_prep.synthetic.language import ANY_SHAPE, SHAPE_NOUNS, adjective, counted, number_word, several
from data_prep.synthetic.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene, ShapeGroup, draw_scene

OPTIONS_SHARE = 0.3
OPTIONS = 4
OPPOSITE = {"слева": "справа", "справа": "слева", "сверху": "снизу", "снизу": "сверху"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its true answers (the canonical one first) and what a false option may be (at least one)."""

    text: str
    answers: tuple[str, ...]
    wrong: tuple[str, ...]


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A visual question answering sample."""
    scene = draw_scene(rng, grade)
    kind = rng.choice([kind for kind in KINDS if kind != "where" or len(scene.groups) > 1])
    question = KINDS[kind](rng, scene)
    texts = [text_item(question.text)]
    answers = question.answers
    if kind != "yes or no" and rng.random() < OPTIONS_SHARE:
        wrong = rng.sample(question.wrong, min(OPTIONS - 1, len(question.wrong)))
        options, answers = lettered_options(rng, answers[0], wrong)
        texts.append(text_item(options))
    items = with_picture_anywhere(rng, with_instruction(rng, "vqa", texts))
    return Drawn(items, answers, scene, kind, grade)


def ask_colour(rng: random.Random, scene: Scene) -> Question:
    """ "Какого цвета ромбы?": a shape names its group, since no two groups share one."""
    group = rng.choice(scene.groups)
    noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
    agreeing = adjective(group.colour, "nominative", noun.gender, plural)
    return Question(
        f"Какого цвета {several(None, noun, plural)}?",
        _distinct(group.colour, adjective(group.colour, "genitive", "masculine"), agreeing),
        tuple(colour for colour in COLOURS if colour != group.colour),
    )


def ask_background(rng: random.Random, scene: Scene) -> Question:
    """ "Какого цвета фон?"."""
    return Question(
        rng.choice(("Какого цвета фон?", "Какой фон у картинки?")),
        (scene.background, adjective(scene.background, "genitive", "masculine")),
        tuple(colour for colour in BACKGROUNDS if colour != scene.background),
    )


def ask_count(rng: random.Random, scene: Scene) -> Question:
    """ "Сколько ромбов на картинке?", and of several groups also "Сколько всего фигур на картинке?"."""
    if len(scene.groups) > 1 and rng.random() < 0.25:
        noun, asked = ANY_SHAPE, "всего фигур"
        count, possible = sum(group.count for group in scene.groups), range(2, 7)
    else:
        group = rng.choice(scene.groups)
        noun, asked = SHAPE_NOUNS[group.shape], SHAPE_NOUNS[group.shape].plural_genitive
        count, possible = group.count, range(1, 5)
    return Question(
        f"Сколько {asked} на картинке?",
        (number_word(count, "nominative", noun.gender), str(count)),
        tuple(number_word(other, "nominative", noun.gender) for other in possible if other != count),
    )


def ask_where(rng: random.Random, scene: Scene) -> Question:
    """ "Где находится ромб?", "Что находится слева?", and of two groups also "Что находится слева от звезды?"."""
    place = rng.randrange(len(scene.groups))
    group, side = scene.groups[place], side_of(scene, place)
    if rng.random() < 0.5:
        noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
        found = "находятся" if plural else "находится"
        return Question(
            f"Где {found} {several(None, noun, plural)}?",
            (side,),
            tuple(other for other in (*OPPOSITE, "в центре") if other != side),
        )
    other = rng.choice([other for other in scene.groups if other is not group])
    where = _beside(other, side) if len(scene.groups) == 2 and rng.random() < 0.5 else side
    # All crossings of the two groups' colours and shapes: none of the four options is nearer to the rest than another.
    wrong = (
        ShapeGroup(group.count, group.colour, other.shape),
        ShapeGroup(group.count, other.colour, group.shape),
        ShapeGroup(group.count, other.colour, other.shape),
    )
    return Question(f"Что находится {where}?", names_of(group), tuple(phrase(each) for each in wrong))


def ask_yes_or_no(rng: random.Random, scene: Scene) -> Question:
    """ "Есть ли на картинке жёлтый ромб?": of the colour or shape asked about, one may be there and the other not."""
    yes = rng.random() < 0.5
    group = rng.choice(scene.groups)
    missing = rng.choice([shape for shape in SHAPES if shape not in {other.shape for other in scene.groups}])
    colour: str | None = None
    shape = group.shape if yes else missing
    if rng.random() < 0.5:
        colour = group.colour
        if not yes and rng.random() < 0.5:
            shape, colour = group.shape, rng.choice([other for other in COLOURS if other != group.colour])
    noun = SHAPE_NOUNS[shape]
    answer, other = ("да", "нет") if yes else ("нет", "да")
    asked = several(colour, noun, plural=group.count > 1)
    return Question(f"Есть ли на картинке {asked}?", (answer,), (other,))


def ask_shape(rng: random.Random, scene: Scene) -> Question:
    """ "Какая фигура изображена?" of one group, "Какие фигуры красного цвета?" of several."""
    group = rng.choice(scene.groups)
    noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
    asked = "Какие фигуры" if plural else "Какая фигура"
    if len(scene.groups) == 1:
        text = f"{asked} {'изображены' if plural else 'изображена'} на картинке?"
    else:
        text = f"{asked} {adjective(group.colour, 'genitive', 'masculine')} цвета?"
    return Question(
        text,
        _distinct(noun.form("nominative", plural), noun.nominative),
        tuple(SHAPE_NOUNS[shape].form("nominative", plural) for shape in SHAPES if shape != group.shape),
    )


KINDS: Mapping[str, Callable[[random.Random, Scene], Question]] = {
    "colour": ask_colour,
    "background": ask_background,
    "count": ask_count,
    "where": ask_where,
    "yes or no": ask_yes_or_no,
    "shape": ask_shape,
}


def side_of(scene: Scene, place: int) -> str:
    """Where group `place` of a scene of several stands: "слева", "справа", "сверху", "снизу" or "в центре"."""
    first, last = ("слева", "справа") if scene.arrangement == "row" else ("сверху", "снизу")
    if place == 0:
        return first
    return last if place == len(scene.groups) - 1 else "в центре"


def names_of(group: ShapeGroup) -> tuple[str, ...]:
    """What a group may be called, in full first: "два жёлтых ромба", "жёлтые ромбы", "два ромба", "ромбы"."""
    noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
    return _distinct(
        phrase(group),
        phrase(group, say_one=True),
        several(group.colour, noun, plural),
        counted(group.count, None, noun),
        several(None, noun, plural),
    )


def _beside(other: ShapeGroup, side: str) -> str:
    """ "слева от звезды", "над двумя ромбами": the place `side` of the other group of two."""
    noun, plural = SHAPE_NOUNS[other.shape], other.count > 1
    if side in ("слева", "справа"):
        return f"{side} от {several(None, noun, plural, 'genitive')}"
    return f"{'над' if side == 'сверху' else 'под'} {several(None, noun, plural, 'instrumental')}"


def _distinct(*answers: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(answers))
