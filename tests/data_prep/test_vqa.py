"""Visual questions: all that can be asked of a scene, with its answers; none in doubt, none given away."""

import random
from collections import Counter

import pytest

from data_prep.synthetic import vqa
from data_prep.synthetic.grades import GRADES
from data_prep.synthetic.scenes import Scene, ShapeGroup, draw_scene

ALONE = Scene("серый", (ShapeGroup(1, "синий", "звезда"),), "alone", 0)
ROW = Scene("белый", (ShapeGroup(2, "жёлтый", "ромб"), ShapeGroup(1, "красный", "кольцо")), "row", 0)
COLUMN = Scene(
    "розовый",
    tuple(map(ShapeGroup, (1, 1, 1), ("чёрный", "синий", "зелёный"), ("круг", "крест", "сердце"))),
    "column",
    0,
)

EXPECTED = {
    ("colour", "alone"): {"Какого цвета звезда?": ("синий", "синего", "синяя")},
    ("background", "alone"): {
        "Какого цвета фон?": ("серый", "серого"),
        "Какой фон у картинки?": ("серый", "серого"),
    },
    ("count", "alone"): {"Сколько звёзд на картинке?": ("одна", "1")},
    ("shape", "alone"): {"Какая фигура изображена на картинке?": ("звезда",)},
    ("colour", "row"): {
        "Какого цвета ромбы?": ("жёлтый", "жёлтого", "жёлтые"),
        "Какого цвета кольцо?": ("красный", "красного", "красное"),
    },
    ("count", "row"): {
        "Сколько ромбов на картинке?": ("два", "2"),
        "Сколько колец на картинке?": ("одно", "1"),
        "Сколько всего фигур на картинке?": ("три", "3"),
    },
    ("shape", "row"): {
        "Какие фигуры жёлтого цвета?": ("ромбы", "ромб"),
        "Какая фигура красного цвета?": ("кольцо",),
    },
    ("where", "row"): {
        "Где находятся ромбы?": ("слева",),
        "Где находится кольцо?": ("справа",),
        "Что находится слева?": ("два жёлтых ромба", "жёлтые ромбы", "два ромба", "ромбы"),
        "Что находится слева от кольца?": ("два жёлтых ромба", "жёлтые ромбы", "два ромба", "ромбы"),
        "Что находится справа?": ("красное кольцо", "одно красное кольцо", "кольцо"),
        "Что находится справа от ромбов?": ("красное кольцо", "одно красное кольцо", "кольцо"),
    },
    ("where", "column"): {
        "Где находится круг?": ("сверху",),
        "Где находится крест?": ("в центре",),
        "Где находится сердце?": ("снизу",),
        "Что находится сверху?": ("чёрный круг", "один чёрный круг", "круг"),
        "Что находится в центре?": ("синий крест", "один синий крест", "крест"),
        "Что находится снизу?": ("зелёное сердце", "одно зелёное сердце", "сердце"),
    },
}
SCENES = {"alone": ALONE, "row": ROW, "column": COLUMN}


@pytest.mark.parametrize(("kind", "scene"), EXPECTED)
def test_all_questions_of_a_scene_and_their_answers(kind, scene):
    rng = random.Random(0)
    asked = [vqa.KINDS[kind](rng, SCENES[scene]) for _ in range(200)]
    assert {question.text: question.answers for question in asked} == EXPECTED[kind, scene]
    for question in asked:
        assert not set(question.wrong) & set(question.answers)
        assert len(set(question.wrong)) == len(question.wrong) >= 3


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Есть ли на картинке ромбы?", "да"),
        ("Есть ли на картинке жёлтые ромбы?", "да"),
        ("Есть ли на картинке кольцо?", "да"),
        ("Есть ли на картинке красное кольцо?", "да"),
        ("Есть ли на картинке красные ромбы?", "нет"),
        ("Есть ли на картинке синее кольцо?", "нет"),
        ("Есть ли на картинке звёзды?", "нет"),
        ("Есть ли на картинке жёлтые круги?", "нет"),
    ],
)
def test_yes_or_no(question, answer):
    rng = random.Random(0)
    asked = [vqa.ask_yes_or_no(rng, ROW) for _ in range(2000)]
    assert {other.answers for other in asked if other.text == question} == {(answer,)}


def test_yes_and_no_are_even():
    rng = random.Random(0)
    answers = Counter(vqa.ask_yes_or_no(rng, draw_scene(rng, "middle")).answers for _ in range(2000))
    assert set(answers) == {("да",), ("нет",)}
    assert all(abs(count - 1000) < 100 for count in answers.values())


@pytest.mark.parametrize("grade", GRADES)
def test_samples_have_a_picture_a_question_and_every_kind(grade):
    rng = random.Random(0)
    drawn = [vqa.make(rng, grade) for _ in range(400)]
    kinds = Counter(sample.kind for sample in drawn)
    assert set(kinds) == set(vqa.KINDS) - ({"where"} if grade == "easy" else set())
    for sample in drawn:
        assert sum(item.type == "image" for item in sample.items) == 1
        assert any("?" in item.content for item in sample.items)
    assert {sample.items[0].type for sample in drawn} == {"text", "image"}
    assert 0.15 < sum("a) " in " ".join(item.content for item in sample.items) for sample in drawn) / 400 < 0.4


def nearest_to_the_rest(options):
    """The option that shares the most words with the others: what a reader would guess who does not look."""
    return max(options, key=lambda option: sum(len(set(option.split()) & set(other.split())) for other in options))


def test_options_of_places_do_not_give_the_answer_away():
    rng, hits, asked = random.Random(0), 0, 0
    while asked < 1000:
        question = vqa.ask_where(rng, ROW if rng.random() < 0.5 else COLUMN)
        if len(question.answers) > 1:
            options = [question.answers[0], *question.wrong]
            rng.shuffle(options)
            hits += nearest_to_the_rest(options) == question.answers[0]
            asked += 1
    assert hits / asked < 0.31
