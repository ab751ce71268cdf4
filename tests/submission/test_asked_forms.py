"""Which questions ask for one character or a number, and how a free answer is brought to it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from submission.asked_forms import NUMBERS, AskedForm, asked_form, has_number, one_character
from submission.engine import Engine, Query
from submission.loading import load_networks
from submission.profiles import BASELINE, PROFILES, TUNED

BUNDLED = Path(__file__).parents[2] / "weights"


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["С какой буквы начинается слово?"], "character"),
        (["Прочитай вывеску.", "Какая первая буква на вывеске?"], "character"),
        (["На какую букву оканчивается надпись?"], "character"),
        (["С какой цифры начинается число?"], "character"),
        (["Какие буквы видны?"], None),  # several
        (["Каких цветов буквы?"], None),
        (["Какого цвета первая буква?"], None),
        (["Сколько букв в слове?"], "number"),
        (["Посмотри на картинку. Сколько кругов?"], "number"),
        (["А сколько их?"], "number"),
        (["Сколько времени?"], None),
        (["Никто не знал, сколько их. Нина молчала.", "Почему Нина молчала?"], None),
        (["Какая буква? Никто не знал.", "Кто молчал?"], None),
        (["Опиши изображение."], None),
        ([], None),
    ],
)
def test_what_is_asked_for(texts: list[str], form: AskedForm | None) -> None:
    assert asked_form(texts) == form


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("площадь", "С какой буквы начинается слово?", "п"),
        ("«Площадь»", "С какой буквы начинается слово?", "П"),
        ("площадь", "На какую букву заканчивается слово?", "ь"),
        ("площадь", "Какой буквой кончается слово?", "ь"),
        ("600 г", "С какой цифры начинается число?", "6"),
        ("600", "С какой буквы начинается слово?", "600"),  # no letter: as it is
        ("", "С какой буквы начинается слово?", ""),
    ],
)
def test_one_character(answer: str, question: str, expected: str) -> None:
    assert one_character(answer, [question]) == expected


@pytest.mark.parametrize(
    ("answer", "yes"),
    [("3", True), ("их три", True), ("Пятнадцать", True), ("сорок два", True), ("лес", False), ("одинокий", False)],
)
def test_numbers_are_seen(answer: str, yes: bool) -> None:
    assert has_number(answer) is yes


def test_a_question_without_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="asks for no character"):
        one_character("лес", ["Кто это?"])


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="asked_forms are character, number, not verse"):
        replace(TUNED, asked_forms=("verse",))  # type: ignore[arg-type]


def test_answers_have_the_form_that_is_asked_for_in_tuned_alone() -> None:
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    assert {name: bool(profile.asked_forms) for name, profile in PROFILES.items()} == {"tuned": True, "baseline": False}
    assert (TUNED.asked_forms, TUNED.statements, BASELINE.statements) == (("character",), True, False)
    asked = [Query("0", ("С какой буквы начинается слово?",)), Query("1", ("Сколько букв в слове?",))]
    free = [said.text for said in Engine(networks, replace(TUNED, asked_forms=()), seed=0).answer(asked)]
    both = replace(TUNED, asked_forms=("character", "number"))
    letter, number = [said.text for said in Engine(networks, both, seed=0).answer(asked)]
    assert letter == next((each for each in free[0] if each.isalpha()), free[0])
    assert number == free[1] if has_number(free[1]) else number in NUMBERS
