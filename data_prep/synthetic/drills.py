"""Drills: several solved questions in a row and one that is left to answer. For training only, never in a test.

A question with options can be answered by any of them, and a passage is asked about once: both teach slowly. Here every
solved question in the left text is a lesson of its own, for whoever trains on left texts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from data_prep.synthetic.drawn import Drawn, Grade
from data_prep.synthetic.facts import draw_facts, passage
from data_prep.synthetic.instructions import text_item
from data_prep.synthetic.mathqa import compare_two, one_step_easy, one_step_middle, sum_or_difference

Solved: TypeAlias = tuple[str, str]  # question, answer

# Words, digits and signs are about what the tokenizer makes pieces of; the rest of a left text is left free.
_PIECE = re.compile(r"\d|[^\W\d]+|[^\w\s]")
MOST_PIECES = 68
MATH_KINDS = {
    "easy": ((sum_or_difference, one_step_easy), (1.0, 1.0)),
    "middle": ((sum_or_difference, one_step_easy, compare_two), (2.0, 2.0, 1.0)),
    "hard": ((sum_or_difference, one_step_easy, one_step_middle), (1.0, 1.0, 1.0)),
}
MOST_PROBLEMS = 8
INVERSE_SHARE = 0.25


def make_textqa_drill(rng: random.Random, grade: Grade) -> Drawn:
    """A passage and questions about its facts, the last one open."""
    facts = draw_facts(rng, grade)
    asked = rng.sample(facts, len(facts))
    inverse = [len(facts) > 2 and rng.random() < INVERSE_SHARE for _ in asked]
    solved = [
        (fact.inverse, fact.owner) if turned else (fact.question, fact.value)
        for fact, turned in zip(asked, inverse, strict=True)
    ]
    return _drill(passage(facts), solved, grade)


def make_mathqa_drill(rng: random.Random, grade: Grade) -> Drawn:
    """Sums, differences and equations without options, the last one open."""
    kinds, weights = MATH_KINDS[grade]
    problems = [kind(rng) for kind in rng.choices(kinds, weights, k=MOST_PROBLEMS)]
    return _drill("", [(problem.text, problem.right) for problem in problems], grade)


def _drill(passage_text: str, solved: list[Solved], grade: Grade) -> Drawn:
    """The passage, as many solved questions as have room, and an open one."""
    (question, answer), *others = solved
    text = f" {question}"
    for other, solution in others:
        longer = f" {other} {solution}.{text}"
        if len(_PIECE.findall(passage_text + longer)) > MOST_PIECES:
            break
        text = longer
    return Drawn((text_item((passage_text + text).strip()),), (answer,), None, "drill", grade)


DRILLS: Mapping[str, Callable[[random.Random, Grade], Drawn]] = {
    "drill_textqa": make_textqa_drill,
    "drill_mathqa": make_mathqa_drill,
}
