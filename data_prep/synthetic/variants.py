"""Variants of the open tasks: the same passages, scenes and signs, asked about in other ways. For training only.

They are split from the hidden variants by kind, so that a model that learns them has still not met those: nothing here
judges a statement (H1), tells a story with numbers (H2), draws (H3), describes what stands at a named side (H4), has
captions of a whole scene as options (H5) or asks about the characters of a sign (H6).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.captions import phrase
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import ATTRIBUTES, Fact, draw_facts, passage
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import with_instruction, with_picture_anywhere
from data_prep.synthetic.language import LARGEST_NUMBER, SHAPE_NOUNS, Gender, adjective, number_word, several
from data_prep.synthetic.people import NAMES
from data_prep.synthetic.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene, arrange, draw_scene
from data_prep.synthetic.sign_words import WORDS
from data_prep.synthetic.signs import draw_sign

YES_NO = ("да", "нет")
OPTIONS = 4
MOST_LISTED_WORDS = 6


def make_textqa_variant(rng: random.Random, grade: Grade) -> Drawn:
    """Who is spoken of, how many people are, whether something is told, letters and words counted."""
    facts = draw_facts(rng, grade)
    told = passage(facts)
    people = list(dict.fromkeys(fact.name for fact in facts))
    strangers = [name for name in NAMES if name not in people]
    kind = rng.choice(("mentioned", "told", "whom", "how many people", "letters", "words"))
    yes = rng.random() < 0.5
    if kind == "mentioned":
        name = rng.choice(people if yes else strangers)
        return _text(rng, kind, grade, [told, f"Упоминается ли в тексте {name.nominative}?"], (_said(yes),))
    if kind == "told":
        asked, taken = rng.choice(facts), {fact.attribute.key for fact in facts}
        absent = rng.choice([attribute for attribute in ATTRIBUTES if attribute.key not in taken])
        question = (asked if yes else Fact(asked.name, absent, "")).question
        question = f"Сказано ли в тексте, {question[:1].lower()}{question[1:]}"
        return _text(rng, kind, grade, [told, question], (_said(yes),))
    if kind == "whom":
        wrong = [name.nominative for name in rng.sample(strangers, OPTIONS - 1)]
        options, answers = lettered_options(rng, rng.choice(people).nominative, wrong)
        return _text(rng, kind, grade, [told, "Кто упоминается в тексте?", options], answers)
    if kind == "how many people":
        return _text(
            rng, kind, grade, [told, "О скольких людях говорится в тексте?"], _number(len(people), "masculine")
        )
    if kind == "letters":
        word = rng.choice([word for word in WORDS if len(word) <= LARGEST_NUMBER])
        question = f"Из скольких букв состоит слово {word}?"
        return _text(rng, kind, grade, [question], _number(len(word), "feminine"))
    listed = rng.sample(WORDS, rng.randint(2, MOST_LISTED_WORDS))
    return _text(rng, kind, grade, [f"Сколько слов в списке: {', '.join(listed)}?"], _number(len(listed), "neuter"))


def make_vqa_variant(rng: random.Random, grade: Grade) -> Drawn:
    """Kinds counted, amounts compared, colours and shapes chosen among options, the background confirmed."""
    scene = draw_scene(rng, grade)
    kinds = ["background", "one", "kinds", "shape", "colour"]
    if len(scene.groups) > 1:
        kinds += ["more", "missing shape", "missing colour"]
    kind, yes = rng.choice(kinds), rng.random() < 0.5
    if kind == "background":
        others = [colour for colour in BACKGROUNDS if colour != scene.background]
        colour = scene.background if yes else rng.choice(others)
        return _vqa(rng, kind, grade, scene, [f"{colour.capitalize()} ли фон у картинки?"], (_said(yes),))
    if kind == "one":
        alone = sum(group.count for group in scene.groups) == 1
        return _vqa(rng, kind, grade, scene, ["На картинке одна фигура или их несколько?"], _how_many(alone))
    if kind == "kinds":
        asked = rng.choice(("Сколько разных видов фигур на картинке?", "Сколько разных цветов у фигур?"))
        return _vqa(rng, kind, grade, scene, [asked], _number(len(scene.groups), "masculine"))
    if kind == "more":
        few, many = sorted(rng.sample(scene.groups, 2), key=lambda group: group.count)
        one, other = (many, few) if yes else (few, many)
        names = [SHAPE_NOUNS[group.shape].plural_genitive for group in (one, other)]
        question = f"Больше ли на картинке {names[0]}, чем {names[1]}?"
        return _vqa(rng, kind, grade, scene, [question], (_said(one.count > other.count),))
    shapes, colours = [group.shape for group in scene.groups], [group.colour for group in scene.groups]
    there, all_of_them = (shapes, SHAPES) if kind.endswith("shape") else (colours, tuple(COLOURS))
    absent = [each for each in all_of_them if each not in there]
    if kind.startswith("missing"):
        right, wrong = rng.choice(absent), there
        question = "Какой фигуры нет на картинке?" if there is shapes else "Фигур какого цвета нет на картинке?"
    else:
        right, wrong = rng.choice(there), rng.sample(absent, OPTIONS - 1)
        question = "Какая из фигур есть на картинке?" if there is shapes else "Фигуры какого цвета есть на картинке?"
    options, answers = lettered_options(rng, right, wrong)
    return _vqa(rng, kind, grade, scene, [question, options], answers)


def make_captioning_variant(rng: random.Random, grade: Grade) -> Drawn:
    """A part of the scene, named by its shape, by its colour, or by what it is not; or the background."""
    counts = {"easy": [1, 1], "middle": [rng.choice((1, 2)), 2], "hard": rng.choice(([1, 1, 1], [3, 1], [2, 3]))}[grade]
    scene = arrange(rng, counts)
    group = rng.choice(scene.groups)
    noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
    weights = {"by shape": 3, "by colour": 3, "background": 1, "all but": 3 if len(scene.groups) == 2 else 0}
    (kind,) = rng.choices(tuple(weights), tuple(weights.values()))
    said = group
    if kind == "background":
        asked = rng.choice(("Опиши фон.", "Дай описание одного фона."))
        answers: tuple[str, ...] = (f"{scene.background} фон",)
    else:
        if kind == "by shape":
            genitive = several(None, noun, plural, "genitive")
            asked = rng.choice(("Дай описание {}, и ничего больше.", "Назови цвет и число {}.")).format(genitive)
        elif kind == "by colour":
            colour = adjective(group.colour, "genitive", "masculine")
            asked = rng.choice(("Опиши фигуры {} цвета.", "Назови то, что {} цвета.")).format(colour)
        else:
            (said,) = (other for other in scene.groups if other is not group)
            genitive = several(None, noun, plural, "genitive")
            asked = rng.choice(("Опиши всё, кроме {}.", "Что есть на картинке кроме {}?")).format(genitive)
        answers = tuple(dict.fromkeys((phrase(said), phrase(said, say_one=True))))
    return Drawn(with_picture_anywhere(rng, [text_item(asked)]), answers, scene, kind, grade)


def make_text_recognition_variant(rng: random.Random, grade: Grade) -> Drawn:
    """A sign as a whole: whether it is a word or a number, which of four it is, whether it is this one."""
    sign = draw_sign(rng, grade)
    is_number = sign.text.isdigit()
    others = [str(rng.randint(1, 99)) for _ in range(9)] if is_number else list(WORDS)
    others = [other for other in dict.fromkeys(others) if other != sign.text]
    kind = rng.choice(("word or number", "which", "this one"))
    if kind == "word or number":
        answers: tuple[str, ...] = ("число" if is_number else "слово",)
        texts = [text_item("На картинке слово или число?")]
    elif kind == "which":
        options, answers = lettered_options(rng, sign.text, rng.sample(others, min(len(others), OPTIONS - 1)))
        texts = [text_item("Какая из надписей на картинке?"), text_item(options)]
    else:
        yes = rng.random() < 0.5
        texts = [text_item(f"Написано ли на картинке {sign.text if yes else rng.choice(others)}?")]
        answers = (_said(yes),)
    return Drawn(with_picture_anywhere(rng, texts), answers, sign, kind, grade)


def _text(rng: random.Random, kind: str, grade: Grade, texts: list[str], answers: tuple[str, ...]) -> Drawn:
    items = [text_item(text) for text in texts]
    return Drawn(with_instruction(rng, "textqa", items) if len(texts) > 1 else tuple(items), answers, None, kind, grade)


def _vqa(
    rng: random.Random, kind: str, grade: Grade, scene: Scene, texts: list[str], answers: tuple[str, ...]
) -> Drawn:
    items = with_instruction(rng, "vqa", [text_item(text) for text in texts])
    return Drawn(with_picture_anywhere(rng, items), answers, scene, kind, grade)


def _said(yes: bool) -> str:
    return YES_NO[0] if yes else YES_NO[1]


def _how_many(alone: bool) -> tuple[str, ...]:
    return ("одна", "одна фигура") if alone else ("несколько", "их несколько")


def _number(number: int, gender: Gender) -> tuple[str, str]:
    return number_word(number, "nominative", gender), str(number)


VARIANTS: Mapping[str, Callable[[random.Random, Grade], Drawn]] = {
    "variant_textqa": make_textqa_variant,
    "variant_vqa": make_vqa_variant,
    "variant_captioning": make_captioning_variant,
    "variant_text_recognition": make_text_recognition_variant,
}
