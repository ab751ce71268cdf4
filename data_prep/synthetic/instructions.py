"""The contest's forms: instructions apart, merged or absent, pictures anywhere."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from contest.items import Item
from data_prep.instructions import FORM_WEIGHTS, USUAL_WEIGHTS, text_item

InstructionForm: TypeAlias = Literal["apart", "merged", "absent"]
FORMS: tuple[InstructionForm, ...] = ("apart", "merged", "absent")

# Tasks that are not listed have their question as the only instruction (the hidden variants).
INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {
    "textqa": (
        "Ответь на вопрос по тексту.", "Определи правильный ответ по тексту.", "Прочитай текст и ответь на вопрос.",
        "Найди ответ в тексте.",
    ),
    "mathqa": ("Реши задачу.", "Реши пример.", "Выбери правильный ответ.", "Найди верный вариант."),
    "generation": (
        "Сгенерируй изображение по тексту.", "Нарисуй картинку по описанию.", "Создай изображение.",
        "Изобрази то, что описано.",
    ),
    "captioning": (
        "Опиши изображение.", "Что представлено на картинке?", "Дай описание изображения.",
        "Что изображено на картинке?",
    ),
    "vqa": ("Ответь на вопрос по картинке.", "Посмотри на изображение и ответь.", "Ответь на вопрос по изображению."),
    "text_recognition": (
        "Распознай текст на картинке.", "Прочитай надпись.", "Какой текст написан на изображении?",
        "Что написано на картинке?",
    ),
    "hidden1": ("Проверь утверждение по тексту.", "Ответь да или нет."),
    "hidden2": ("Реши задачу.", "Найди верный ответ к задаче."),
    "hidden3": ("Нарисуй по списку.", "Собери картинку из частей."),
    "hidden5": ("Выбери подходящее описание.", "Найди верную подпись к картинке."),
}  # fmt: skip


def image_item() -> Item:
    """An image item whose file the writer will name."""
    return Item("image", "")


def with_instruction(rng: random.Random, task_key: str, items: Sequence[Item]) -> tuple[Item, ...]:
    """`items` with one of the task's instructions: as the first item, merged into the first text item, or without it.

    Raises KeyError for a task that has no instructions of its own.
    """
    instruction = rng.choice(INSTRUCTIONS[task_key])
    (form,) = rng.choices(FORMS, FORM_WEIGHTS.get(task_key, USUAL_WEIGHTS))
    if form == "absent":
        return tuple(items)
    if form == "merged":
        place = next(i for i, item in enumerate(items) if item.type == "text")
        merged = text_item(f"{instruction} {items[place].content}")
        return (*items[:place], merged, *items[place + 1 :])
    return (text_item(instruction), *items)


def with_picture_anywhere(rng: random.Random, texts: Sequence[Item]) -> tuple[Item, ...]:
    """`texts` in their order with one image item put before, between or after them."""
    place = rng.randint(0, len(texts))
    return (*texts[:place], image_item(), *texts[place:])
