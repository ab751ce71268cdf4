"""Drills: every solved question is solved rightly, the open one is answered rightly, and all of it fits."""

import random
import re
from fractions import Fraction

import pytest

from data_prep.synthetic.drawn import GRADES, Grade
from data_prep.synthetic.drills import MOST_PIECES, make_mathqa_drill, make_textqa_drill
from data_prep.synthetic.world import draw
from tests.data_prep.test_mathqa import solve, solve_comparison

SAMPLES = 300
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


@pytest.mark.parametrize("key", ["drill_textqa", "drill_mathqa"])
def test_drills_fit_into_the_left_text_and_repeat(key: str) -> None:
    for index in range(SAMPLES):
        text = draw(key, 3, "train", index).items[0].content
        assert len(re.findall(r"\d|[^\W\d]+|[^\w\s]", text)) <= MOST_PIECES
        assert draw(key, 3, "train", index).items[0].content == text
