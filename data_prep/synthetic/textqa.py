"""TextQA: short passages of facts about people, span answers, with and without options."""

from __future__ import annotations

import random
from collections.abc import Mapping

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import Fact, draw_facts, passage, rivals
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import with_instruction
from data_prep.synthetic.people import NAMES

# Hard passages with years (a third of them) have no options: the left text would be too long for a small model.
OPTIONS_SHARE: Mapping[Grade, float] = {"easy": 0.2, "middle": 0.3, "hard": 0.6}
INVERSE_SHARE: Mapping[Grade, float] = {"easy": 0.0, "middle": 0.0, "hard": 0.35}
PARAPHRASE_SHARE: Mapping[Grade, float] = {"easy": 0.0, "middle": 0.0, "hard": 0.3}
OPTIONS = 4


def make(rng: random.Random, grade: Grade) -> Drawn:
    """A question about one fact of a passage.

    easy: the answer is the only one of its type in the passage; middle: one of two, the question in the passage's
    words; hard: one of three, the question sometimes in other words or for the person ("Кто живёт в Казани?").
    """
    facts = draw_facts(rng, grade)
    asked = rng.choice(facts)
    inverse = rng.random() < INVERSE_SHARE[grade]
    if inverse:
        kind, question, right = f"who by {asked.attribute.key}", asked.inverse, asked.owner
    else:
        kind, right = asked.attribute.key, asked.value
        question = asked.paraphrase if rng.random() < PARAPHRASE_SHARE[grade] else asked.question
    texts = [text_item(passage(facts)), text_item(question)]
    answers: tuple[str, ...] = _references(asked, inverse)
    too_long = grade == "hard" and any(fact.attribute.key == "year" for fact in facts)
    if not too_long and rng.random() < OPTIONS_SHARE[grade]:
        options, answers = lettered_options(rng, right, _wrong_options(rng, facts, asked, inverse))
        texts.append(text_item(options))
    return Drawn(with_instruction(rng, "textqa", texts), answers, None, kind, grade)


def _references(asked: Fact, inverse: bool) -> tuple[str, ...]:
    if not inverse:
        return (asked.value,)
    if asked.attribute.owner_is_genitive:
        return (asked.owner, asked.name.genitive)
    return (asked.owner,)


def _wrong_options(rng: random.Random, facts: list[Fact], asked: Fact, inverse: bool) -> list[str]:
    """The passage's other answers of the same type, then others of that type that are not in the passage."""
    others = rivals(facts, asked)
    wrong = [fact.owner if inverse else fact.value for fact in others]
    missing = OPTIONS - 1 - len(wrong)
    if inverse:
        taken = {fact.name for fact in facts}
        strangers = rng.sample([name for name in NAMES if name not in taken], missing)
        return wrong + [Fact(name, asked.attribute, asked.value).owner for name in strangers]
    return wrong + rng.sample([v for v in asked.attribute.values if v != asked.value and v not in wrong], missing)
