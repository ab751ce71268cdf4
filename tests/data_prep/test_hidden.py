"""Hidden variants with a picture: what is asked can be told from the scene or the sign, and only from it."""

import random

import pytest

from data_prep.synthetic import hidden
from data_prep.synthetic.captions import content
from data_prep.synthetic.grades import GRADES
from data_prep.synthetic.language import SHAPE_NOUNS
from tests.data_prep.test_vqa import ALONE, COLUMN, ROW, nearest_to_the_rest


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (ALONE, "Фон: серый. Фигура: звезда, цвет: синий, количество: 1, место: в центре."),
        (
            ROW,
            "Фон: белый. Фигура: ромб, цвет: жёлтый, количество: 2, место: слева. "
            "Фигура: кольцо, цвет: красный, количество: 1, место: справа.",
        ),
    ],
)
def test_attribute_list(scene, expected):
    assert hidden.attribute_list(scene) == expected


def test_drawing_from_list_answers_with_picture():
    drawn = hidden.make_drawing_from_list(random.Random(0), "hard")
    assert drawn.answers == ()
    assert drawn.items[-1].content.endswith(hidden.attribute_list(drawn.picture))
    assert {item.type for item in drawn.items} == {"text"}


@pytest.mark.parametrize("grade", GRADES)
def test_part_description_names_one_group_of_several(grade):
    for seed in range(100):
        drawn = hidden.make_part_description(random.Random(seed), grade)
        assert [item.type for item in drawn.items] == ["text", "image"]
        side = drawn.kind.removeprefix("part ")
        assert drawn.items[0].content in (f"Опиши только то, что {side}.", f"Опиши только фигуры {side}.")
        groups = drawn.picture.groups
        place = {"слева": 0, "сверху": 0, "в центре": 1, "справа": -1, "снизу": -1}[side]
        assert len(groups) > 1
        noun = SHAPE_NOUNS[groups[place].shape]
        assert drawn.answers[0].split()[-1] in (noun.nominative, noun.genitive)
        others = [group.colour[:4] for group in groups if group is not groups[place]]
        assert not any(colour in answer for answer in drawn.answers for colour in others)


@pytest.mark.parametrize("scene", [ALONE, ROW, COLUMN])
def test_caption_choice_has_one_right_caption(scene):
    for seed in range(100):
        square = hidden.caption_square(random.Random(seed), scene)
        assert len(set(square)) == 4
        assert square[0] == content(scene)


def test_captions_to_choose_from_do_not_give_the_answer_away():
    rng, hits = random.Random(0), 0
    for index in range(1500):
        drawn = hidden.make_caption_choice(rng, GRADES[index % 3])
        options_text = drawn.items[-1].content if drawn.items[-1].type == "text" else drawn.items[-2].content
        options = [part.split(") ", 1)[1] for part in options_text.removeprefix("Варианты: ").split("; ")]
        right = content(drawn.picture)
        assert drawn.answers == ("abcd"[options.index(right)], right, f"{drawn.answers[0]} {right}")
        hits += nearest_to_the_rest(options) == right
    assert hits / 1500 < 0.30


def test_sign_questions():
    asked = {}
    for seed in range(300):
        drawn = hidden.make_sign_question(random.Random(seed), "easy")
        (question,) = (item.content for item in drawn.items if item.type == "text")
        asked.setdefault(question, []).append(drawn)
    assert set(asked) == {
        "С какой буквы начинается слово?",
        "С какой цифры начинается число?",
        "Сколько букв в слове?",
        "Сколько цифр в числе?",
    }
    for question, samples in asked.items():
        for drawn in samples:
            text = drawn.picture.text
            assert text.isdigit() == ("циф" in question)
            assert drawn.answers[0] == (str(len(text)) if question.startswith("Сколько") else text[0])
    assert ("1", "одна") in {drawn.answers for drawn in asked["Сколько цифр в числе?"]}
