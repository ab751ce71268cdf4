"""Drills: samples of which nearly every token is a lesson. For training only, never in a test.

A question with options can be answered by any of them, and a passage or picture is asked about once: both teach slowly.
Here words come twice, sentences are told again, several questions of the same passage are solved in the left text, and
several about the same picture are answered, or asked and answered, in the right text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from data_prep.instructions import text_item
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import ATTRIBUTES, Fact, facts_about, passage
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import image_item
from data_prep.synthetic.language import capitalised
from data_prep.synthetic.mathqa import compare_two, one_step_easy, one_step_middle, sum_or_difference
from data_prep.synthetic.people import NAMES
from data_prep.synthetic.scenes import draw_scene
from data_prep.synthetic.vqa import KINDS

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
COPIED_WORDS = {"easy": (4, 9), "middle": (10, 18), "hard": (19, 28)}
# More people than a passage of the task has: guessing among them costs more, and so teaches more.
PEOPLE = {"easy": (1, 2), "middle": (2, 4), "hard": (4, 8)}
MOST_ANSWER_PIECES = 14
MOST_QUESTIONS = 4
MOST_RIGHT_PIECES = 20
MOST_FACTS = 12
PICTURE_FACTS = "Вопросы и ответы по картинке."
# What a question about a picture can do without.
FILLING = frozenset(
    (
        *("какого", "какая", "какие", "какой", "находится", "находятся", "изображена", "изображены"),
        *("ли", "на", "у", "картинке", "картинки", "?"),
    )
)
MOST_FACT_PIECES = 14  # of one sentence, or of a question with its answer


def make_textqa_drill(rng: random.Random, grade: Grade) -> Drawn:
    """A passage and questions about its facts, the last one open."""
    facts = _drill_facts(rng, grade)
    asked = rng.sample(facts, len(facts))
    solved = [
        (fact.inverse, fact.owner) if len(facts) > 2 and rng.random() < INVERSE_SHARE else (fact.question, fact.value)
        for fact in asked
    ]
    return _drill(passage(facts), solved, grade)


def make_mathqa_drill(rng: random.Random, grade: Grade) -> Drawn:
    """Sums, differences and equations without options, the last one open."""
    kinds, weights = MATH_KINDS[grade]
    problems = [kind(rng) for kind in rng.choices(kinds, weights, k=MOST_PROBLEMS)]
    return _drill("", [(problem.text, problem.right) for problem in problems], grade)


def make_copying_drill(rng: random.Random, grade: Grade) -> Drawn:
    """Groups of words, then the same groups in another order: a word's successor is known from where the word stood.

    In one order throughout, the second half could be had by counting places, without looking at any word.
    """
    words = rng.sample(WORDS, rng.randint(*COPIED_WORDS[grade]))
    size = rng.randint(2, 4)
    groups = [words[start : start + size] for start in range(0, len(words), size)]
    again = rng.sample(groups, len(groups))
    told = [capitalised(" ".join(word for group in order for word in group)) for order in (groups, again)]
    return Drawn((text_item(" ".join(f"{half}." for half in told)),), (again[-1][-1],), None, "copying", grade)


def make_retelling_drill(rng: random.Random, grade: Grade) -> Drawn:
    """A passage, then its sentences in another order; asked for is the value of the last one told again."""
    facts = _drill_facts(rng, grade)
    text, told = passage(facts), facts[0]
    for fact in rng.sample(facts, len(facts)):
        longer = f"{text} {fact.sentence}"
        if len(_PIECE.findall(longer)) > MOST_PIECES:
            break
        text, told = longer, fact
    return Drawn((text_item(text),), (told.value,), None, "retelling", grade)


def _drill_facts(rng: random.Random, grade: Grade) -> list[Fact]:
    """Facts of a passage that leaves room for at least one sentence or question more."""
    people = rng.randint(*PEOPLE[grade])
    facts = facts_about(rng, people, rng.randint(1, 2) if people < 4 else 1)
    while len(_PIECE.findall(passage(facts))) > MOST_PIECES - MOST_FACT_PIECES:
        facts.pop()
    return facts


def make_vqa_drill(rng: random.Random, grade: Grade) -> Drawn:
    """Questions about one scene, the answers in the same order."""
    scene = draw_scene(rng, grade)
    kinds = [kind for kind in KINDS if kind != "where" or len(scene.groups) > 1]
    questions, answers = "", ""
    for kind in rng.sample(kinds, min(MOST_QUESTIONS, len(kinds))):
        question = KINDS[kind](rng, scene)
        asked, said = f"{questions} {question.text}".strip(), f"{answers}; {question.answers[0]}".removeprefix("; ")
        if len(_PIECE.findall(asked)) > MOST_PIECES or len(_PIECE.findall(said)) > MOST_ANSWER_PIECES:
            break
        questions, answers = asked, said
    return Drawn((image_item(), text_item(questions)), (answers,), scene, "questions", grade)


def make_picture_facts_drill(rng: random.Random, grade: Grade) -> Drawn:
    """Questions about one scene, shortened, each with its answer behind it: all of it is said in the right text.

    What is asked for stands right before the answer, so looking it up in the picture takes one step less than from a
    question in the left text, and a picture is asked about four or five times.
    """
    scene = draw_scene(rng, grade)
    kinds = [kind for kind in KINDS if kind != "background" and (kind != "where" or len(scene.groups) > 1)]
    told: list[str] = []
    for _ in range(MOST_FACTS):
        question = KINDS[rng.choice(kinds)](rng, scene)
        core = " ".join(word for word in _PIECE.findall(question.text.lower()) if word not in FILLING)
        fact = f"{core} {question.answers[0]}"
        if fact not in told and len(_PIECE.findall("; ".join((*told, fact)))) <= MOST_RIGHT_PIECES:
            told.append(fact)
    return Drawn((image_item(), text_item(PICTURE_FACTS)), ("; ".join(told),), scene, "picture facts", grade)


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


# The names and values of passages in the forms that they have there; not the years, which are four pieces each.
WORDS = sorted(
    {name.nominative for name in NAMES}
    | {name.genitive for name in NAMES}
    | {word for attribute in ATTRIBUTES for value in attribute.values for word in value.split() if not word.isdigit()}
)

DRILLS: Mapping[str, Callable[[random.Random, Grade], Drawn]] = {
    "drill_textqa": make_textqa_drill,
    "drill_mathqa": make_mathqa_drill,
    "drill_copying": make_copying_drill,
    "drill_retelling": make_retelling_drill,
    "drill_vqa": make_vqa_drill,
    "drill_picture_facts": make_picture_facts_drill,
}
