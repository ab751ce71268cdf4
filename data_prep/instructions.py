"""Natural Russian instructions of each task, and where one stands among a sample's items.

An instruction is an item of its own, merged into a text, or left out, and nothing says which, as in the contest.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from contest.items import Item

INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {
    "textqa": (
        "Ответь на вопрос по тексту.", "Определи правильный ответ по тексту.", "Прочитай текст и ответь на вопрос.",
        "Найди ответ на вопрос в тексте.", "Прочти отрывок и дай ответ на вопрос.",
        "Используя текст, ответь на вопрос.", "Дай краткий ответ на вопрос, опираясь на текст.",
        "Внимательно прочитай текст и найди в нём ответ.", "Выпиши из текста ответ на вопрос.",
        "Какой ответ на вопрос даёт этот текст?", "Тебе даны текст и вопрос. Найди ответ.",
        "Ответь на вопрос к тексту.",
    ),
    "textqa options": (
        "Определи правильный ответ по тексту.", "Выбери правильный вариант ответа по тексту.",
        "Прочитай текст и выбери верный ответ.", "Какой из вариантов верен, если верить тексту?",
        "Укажи вариант, который следует из текста.", "Прочти текст, вопрос и варианты и укажи верный.",
        "Выбери ответ, который подтверждается текстом.", "По тексту определи, какой вариант правильный.",
    ),
    "mathqa": (
        "Реши задачу.", "Реши пример.", "Выбери правильный ответ.", "Найди верный вариант.", "Вычисли и выбери ответ.",
        "Реши и укажи правильный вариант.", "Определи, какой из вариантов ответа верный.",
        "Посчитай и выбери нужный вариант.", "Реши математическую задачу.", "Найди решение и выбери вариант ответа.",
        "Какой вариант ответа правильный?",
    ),
    "generation": (
        "Сгенерируй изображение по тексту.", "Нарисуй картинку по описанию.", "Создай изображение по описанию.",
        "Изобрази то, что описано.", "Сделай картинку по тексту.", "Нарисуй изображение, которое подходит к описанию.",
        "Сгенерируй картинку.", "Создай картинку по подписи.", "Покажи, как это выглядит.",
        "По тексту нарисуй изображение.",
    ),
    "captioning": (
        "Опиши изображение.", "Что представлено на картинке?", "Дай описание изображения.",
        "Что изображено на картинке?", "Опиши, что ты видишь на фотографии.", "Что происходит на изображении?",
        "Составь подпись к картинке.", "Придумай описание к этому изображению.", "Кратко опиши фотографию.",
        "Расскажи, что показано на снимке.", "Подпиши картинку.",
    ),
    "vqa": (
        "Ответь на вопрос по картинке.", "Посмотри на изображение и ответь.", "Ответь на вопрос по изображению.",
        "Рассмотри фотографию и дай ответ на вопрос.", "Дай краткий ответ на вопрос об изображении.",
        "По картинке ответь на вопрос.", "Глядя на снимок, ответь на вопрос.", "Изучи изображение и ответь на вопрос.",
    ),
    "text_recognition": (
        "Распознай текст на картинке.", "Прочитай надпись.", "Какой текст написан на изображении?",
        "Что написано на картинке?", "Какая надпись на фотографии?", "Выпиши текст с изображения.",
        "Прочитай, что написано на вывеске.", "Определи, какое слово изображено.", "Что за текст на снимке?",
        "Перепиши текст, который видишь на картинке.",
    ),
    "yes or no": (
        "Ответь да или нет.", "Проверь утверждение по тексту.", "Прочитай текст и скажи, верно ли утверждение.",
        "Подтверди или опровергни.",
    ),
}  # fmt: skip

# Of apart, merged and absent. A bare picture needs an instruction: without one nothing is asked of it.
FORM_WEIGHTS: Mapping[str, tuple[float, float, float]] = {
    "captioning": (1.0, 0.0, 0.0),
    "text_recognition": (1.0, 0.0, 0.0),
    "generation": (0.5, 0.4, 0.1),
}
USUAL_WEIGHTS = (0.4, 0.3, 0.3)
FIRST_SHARE = 0.85  # of the instructions that stand apart; the others come last


def text_item(content: str) -> Item:
    """A text item."""
    return Item("text", content)


def instructed(rng: random.Random, bank: str, items: Sequence[Item]) -> tuple[Item, ...]:
    """The items with an instruction of the bank: as an item of its own, before the first text item's words, or without.

    Raises KeyError for a bank that is not there.
    """
    instructions = INSTRUCTIONS[bank]
    instruction = instructions[int(rng.random() * len(instructions))]
    apart, merged, _ = FORM_WEIGHTS.get(bank, USUAL_WEIGHTS)
    drawn = rng.random()
    if drawn < apart:
        if rng.random() < FIRST_SHARE:
            return (text_item(instruction), *items)
        return (*items, text_item(instruction))
    if drawn < apart + merged:
        place = next(i for i, item in enumerate(items) if item.type == "text")
        return (*items[:place], text_item(f"{instruction} {items[place].content}"), *items[place + 1 :])
    return tuple(items)
