"""Drills: every solved question is solved rightly, the open one is answered rightly, and all of it fits."""

import itertools
import random
import re
from fractions import Fraction

import pytest

from data_prep.synthetic.drills import (
    COPIED_WORDS,
    DRILLS,
    MOST_ANSWER_PIECES,
    MOST_FACTS,
    MOST_PIECES,
    MOST_RIGHT_PIECES,
    make_copying_drill,
    make_mathqa_drill,
    make_picture_facts_drill,
    make_retelling_drill,
    make_textqa_drill,
    make_vqa_drill,
)
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.language import SHAPE_NOUNS, adjective, several
from data_prep.synthetic.scenes import Scene
from data_prep.synthetic.world import draw
from tests.data_prep.test_mathqa import solve, solve_comparison

SAMPLES = 300
NUMBERS = ("один", "одна", "одно", "два", "две", "три", "четыре", "пять", "шесть")
PLACES = ("слева", "справа", "сверху", "снизу", "в центре")
MATH_QUESTION = (
    r"(?:Что (?:больше|меньше): \d+ или \d+\?|Сколько будет [^?]+\?|[^.?\s][^.?]*\. (?:Найди \w\.|Чему равно \w\?))"
)


def value_of(question: str) -> Fraction:
    return solve_comparison(question, []) if question.startswith("Что ") else solve(question)


@pytest.mark.parametrize("grade", GRADES)
def test_every_problem_is_solved_rightly(grade: Grade) -> None:
    solved_in_all = 0
    for seed in range(SAMPLES):
        drawn = make_mathqa_drill(random.Random(seed), grade)
        text = drawn.items[0].content
        *solved, (last, unsolved) = re.findall(rf"({MATH_QUESTION})(?: (-?\d+)\.)?", text)
        assert " ".join(f"{q} {a}." for q, a in solved) + (" " if solved else "") + last == text
        assert all(value_of(question) == int(answer) for question, answer in solved), text
        assert unsolved == ""
        assert value_of(last) == int(drawn.answers[0])
        solved_in_all += len(solved)
    assert solved_in_all > 4 * SAMPLES


@pytest.mark.parametrize(("grade", "questions"), [("easy", 1), ("middle", 2), ("hard", 3)])
def test_every_question_of_a_passage_is_answered_from_it(grade: Grade, questions: int) -> None:
    seen = 0
    for seed in range(SAMPLES):
        drawn = make_textqa_drill(random.Random(seed), grade)
        text = drawn.items[0].content
        first_question = re.search(r"[^.?]+\?", text)
        assert first_question is not None
        facts = text[: first_question.start()]
        assert drawn.answers[0] in facts
        for answer in re.findall(r"\? ([^.?]+)\.", text):
            assert answer in facts, text
        seen = max(seen, text.count("?"))
    assert seen >= questions


@pytest.mark.parametrize("grade", GRADES)
def test_words_are_copied_in_groups(grade: Grade) -> None:
    moved = 0
    for seed in range(SAMPLES):
        drawn = make_copying_drill(random.Random(seed), grade)
        first, second = (half.lower().split() for half in drawn.items[0].content.removesuffix(".").split(". "))
        assert COPIED_WORDS[grade][0] <= len(first) <= COPIED_WORDS[grade][1]
        assert sorted(first) == sorted(second)
        assert len(set(first)) == len(first)
        assert second[-1] == drawn.answers[0].lower()
        pairs = set(itertools.pairwise(first))
        kept = sum(pair in pairs for pair in itertools.pairwise(second))
        assert kept >= len(first) - -(-len(first) // 2), "every second word at least follows its predecessor"
        moved += first != second
    assert moved > 0.6 * SAMPLES


@pytest.mark.parametrize(("grade", "most"), [("easy", 3), ("middle", 5), ("hard", 7)])
def test_what_is_told_again_was_told_before(grade: Grade, most: int) -> None:
    told = []
    for seed in range(SAMPLES):
        drawn = make_retelling_drill(random.Random(seed), grade)
        sentences = drawn.items[0].content.removesuffix(".").split(". ")
        facts = len(set(sentences))
        assert set(sentences[facts:]) <= set(sentences[:facts])
        assert len(set(sentences[facts:])) == len(sentences) - facts >= 1
        assert drawn.answers[0] in sentences[-1]
        told.append(len(sentences) - facts)
    assert max(told) >= most - 2


@pytest.mark.parametrize("grade", GRADES)
def test_picture_questions_keep_their_order(grade: Grade) -> None:
    questions = 0
    for seed in range(SAMPLES):
        drawn = make_vqa_drill(random.Random(seed), grade)
        asked, said = re.findall(r"[^?]+\?", drawn.items[1].content), drawn.answers[0].split("; ")
        assert len(asked) == len(said)
        assert len(re.findall(r"\d|[^\W\d]+|[^\w\s]", drawn.answers[0])) <= MOST_ANSWER_PIECES
        answers = {"Сколько": NUMBERS, "Есть": ("да", "нет"), "Где": PLACES}
        for question, answer in zip(asked, said, strict=True):
            possible = answers.get(question.split()[0])
            assert possible is None or answer in possible, (question, answer)
        questions += len(asked)
    assert questions > 2.5 * SAMPLES


def true_facts(scene: Scene) -> set[str]:
    """What may be said of a scene's colours, shapes and of what there is; not of numbers and places."""
    facts = set()
    for group in scene.groups:
        noun, plural = SHAPE_NOUNS[group.shape], group.count > 1
        name = several(None, noun, plural)
        facts |= {f"цвета {name} {group.colour}", f"есть {name} да", f"есть {several(group.colour, noun, plural)} да"}
        asked = "" if len(scene.groups) == 1 else f" {adjective(group.colour, 'genitive', 'masculine')} цвета"
        facts.add(f"{asked} {name}".strip())  # behind "фигура" or "фигуры"
    return facts


@pytest.mark.parametrize("grade", GRADES)
def test_facts_of_a_picture_are_told_once_and_are_true(grade: Grade) -> None:
    amounts, denied = [], 0
    for seed in range(SAMPLES):
        drawn = make_picture_facts_drill(random.Random(seed), grade)
        assert isinstance(drawn.picture, Scene)
        facts, true = drawn.answers[0].split("; "), true_facts(drawn.picture)
        assert len(set(facts)) == len(facts) <= MOST_FACTS
        assert len(re.findall(r"\d|[^\W\d]+|[^\w\s]", drawn.answers[0])) <= MOST_RIGHT_PIECES
        for fact in facts:
            first, *_, last = fact.split()
            if first == "есть" and last == "нет":
                assert fact.removesuffix("нет") + "да" not in true
                denied += 1
            elif first in ("цвета", "есть"):
                assert fact in true
            elif first.startswith("фигур"):
                assert fact.removeprefix(first).strip() in true
            elif first == "сколько":
                assert last in NUMBERS
            else:
                assert (first == "где" and fact.endswith(PLACES)) or first == "что"
        amounts.append(len(facts))
    assert sum(amounts) > 3 * SAMPLES
    assert denied > SAMPLES / 10


@pytest.mark.parametrize("key", sorted(DRILLS))
def test_drills_fit_into_the_left_text_and_repeat(key: str) -> None:
    for index in range(SAMPLES):
        drawn = draw(key, 3, "train", index)
        text = " ".join(item.content for item in drawn.items if item.type == "text")
        assert len(re.findall(r"\d|[^\W\d]+|[^\w\s]", text)) <= MOST_PIECES
        assert draw(key, 3, "train", index) == drawn
