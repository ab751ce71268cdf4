"""What speaks against a translation, and what an answer's other forms are."""

import random

import pytest

from data_prep.answer_forms import references, wrong_answers
from data_prep.translation import check_translation


@pytest.mark.parametrize(
    ("text", "translation", "doubted"),
    [
        ("A cat on a table.", "Кот на столе.", None),
        ("What is it? A cat.", "Что это? Кот.", None),
        ("Кот на столе.", "Кот на столе.", None),
        ("A BMW car", "Машина BMW", None),
        ("7", "7", None),
        ("No", "Нет", None),
        ("A cat", "A cat", "0 of 4 letters are Cyrillic"),
        ("A cat", "...", "has no letters"),
        ("A cat on a table near the window.", "Кот", "33 characters became 3"),
        ("A cat near the window", "Кот " * 30, "21 characters became 120"),
        ("What is it?", "Что это.", "the question mark is lost"),
        ("It is a cat", "Это кот?", "a question mark is new"),
        ("3 cats", "Три кота", "the number 3 is on one side only"),
        ("Three cats", "33 кота", "the number 33 is on one side only"),
        ("A very nice red cat here", "Кот кот кот кот", "repeats 'кот'"),
        ("A cat and a dog and so on for ever", "кот и пёс кот и пёс кот и пёс кот и пёс", "repeats 'кот и пёс'"),
    ],
)
def test_doubts(text, translation, doubted):
    assert check_translation(text, translation) == doubted


@pytest.mark.parametrize(
    ("answer", "forms"),
    [
        ("Синий", ("Синий", "синий", "синяя", "синее", "синие", "синего", "синей")),
        ("голубая", ("голубая", "голубой", "голубое", "голубые", "голубого")),
        ("желтого", ("желтого", "жёлтый", "жёлтая", "жёлтое", "жёлтые", "жёлтого", "жёлтой")),
        ("3", ("3", "три")),
        ("Три", ("Три", "3", "три")),
        ("15", ("15",)),
        ("007", ("007",)),
        ("Да", ("Да",)),
        ("На столе", ("На столе",)),
        ("²", ("²",)),
    ],
)
def test_other_forms_are_references(answer, forms):
    assert references(answer) == forms


@pytest.mark.parametrize("answer", ["Красная", "синий", "да", "Нет", "0", "5", "три", "кот", "12", ""])
def test_wrong_options_are_never_right(answer):
    for seed in range(200):
        wrong = wrong_answers(random.Random(seed), answer)
        assert len(wrong) == {"да": 1, "Нет": 1, "кот": 0, "12": 0, "": 0}.get(answer, 3)
        assert len(set(wrong)) == len(wrong)
        right = {form.lower() for form in references(answer)}
        assert not right & {form for option in wrong for form in references(option)}
