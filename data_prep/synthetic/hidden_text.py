"""The hidden text tasks: H1, is a statement true of a passage; H2, word problems."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from data_prep.answer_forms import lettered_options
from data_prep.instructions import text_item
from data_prep.synthetic.distractors import four_integers
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import draw_facts, passage, rivals
from data_prep.synthetic.grades import Grade
from data_prep.synthetic.instructions import with_instruction
from data_prep.synthetic.people import NAMES, Name

YES, NO = "да", "нет"


def make_statement(rng: random.Random, grade: Grade) -> Drawn:
    """H1, "Верно ли, что Анна живёт в Казани?" over a passage: "да" or "нет" with equal chance.

    A false statement gives a person the value of another person of the passage, or where there is none (easy) a value
    that the passage does not have.
    """
    facts = draw_facts(rng, grade)
    asked = rng.choice(facts)
    true = rng.random() < 0.5
    stated = asked
    if not true:
        others = [fact.value for fact in rivals(facts, asked)]
        others = others or [value for value in asked.attribute.values if value != asked.value]
        stated = replace(asked, value=rng.choice(others))
    texts = [text_item(passage(facts)), text_item(f"Верно ли, что {stated.clause}?")]
    items = with_instruction(rng, "hidden1", texts)
    return Drawn(items, (YES if true else NO,), None, asked.attribute.key, grade)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to count: "2 яблока", "5 яблок"."""

    genitive: str
    plural_genitive: str

    def counted(self, number: int) -> str:
        """Number and noun; of 2 and more (one would need another verb form as well).

        Raises ValueError for a number that takes the nominative, such as 1 and 21.
        """
        if number % 10 == 1 and number % 100 != 11:
            raise ValueError(f"{number} takes the nominative singular, which word problems avoid")
        paucal = number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14)
        return f"{number} {self.genitive if paucal else self.plural_genitive}"


THINGS: tuple[Thing, ...] = (
    Thing("яблока", "яблок"), Thing("груши", "груш"), Thing("книги", "книг"), Thing("карандаша", "карандашей"),
    Thing("монеты", "монет"), Thing("конфеты", "конфет"),
)  # fmt: skip


def make_word_problem(rng: random.Random, grade: Grade) -> Drawn:
    """H2, "У Анны было 5 яблок. Она купила ещё 3. Сколько яблок стало?" with four options.

    easy: one step, to about 20; middle: two steps; hard: boxes of the same number, or two people together.
    """
    kind = rng.choice(tuple(STORIES[grade]))
    values = four_integers(rng, *RESULTS[grade])
    text = STORIES[grade][kind](rng, values[0])
    options, answers = lettered_options(rng, str(values[0]), [str(value) for value in values[1:]])
    items = with_instruction(rng, "hidden2", [text_item(text), text_item(options)])
    return Drawn(items, answers, None, kind, grade)


RESULTS: Mapping[Grade, tuple[int, int]] = {"easy": (3, 18), "middle": (3, 30), "hard": (6, 40)}


def story_of_gain(rng: random.Random, result: int) -> str:
    """had + bought = result."""
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    had = _countable(rng, 2, result - 1)
    return _story(name, thing, had, f"{name.by_gender('купил', 'купила')} ещё {result - had}", "стало")


def story_of_loss(rng: random.Random, result: int) -> str:
    """had - gave = result."""
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    had = _countable(rng, result + 1, result + 9)
    return _story(name, thing, had, f"{name.by_gender('отдал', 'отдала')} {had - result}", "осталось")


def story_of_gain_and_loss(rng: random.Random, result: int) -> str:
    """had + bought - gave = result."""
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    gave = rng.randint(1, 9)
    had = _countable(rng, 2, result + gave - 1)
    bought = f"{name.by_gender('купил', 'купила')} ещё {result + gave - had}"
    return _story(name, thing, had, f"{bought} и {name.by_gender('отдал', 'отдала')} {gave}", "осталось")


def _story(name: Name, thing: Thing, had: int, deed: str, now: str) -> str:
    return (
        f"У {name.genitive} было {thing.counted(had)}. {_pronoun(name)} {deed}. Сколько {thing.plural_genitive} {now}?"
    )


def story_of_boxes(rng: random.Random, result: int) -> str:
    """boxes * in each - gave = result."""
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    boxes = rng.randint(2, 5)
    least = result // boxes + 1
    each = _countable(rng, least, least + 3)
    return (
        f"У {name.genitive} было {boxes} {'коробки' if boxes < 5 else 'коробок'} по {thing.counted(each)}. "
        f"{_pronoun(name)} {name.by_gender('отдал', 'отдала')} {boxes * each - result}. "
        f"Сколько {thing.plural_genitive} осталось?"
    )


def story_of_two(rng: random.Random, result: int) -> str:
    """one's + (one's +- difference) = result."""
    (first, second), thing = rng.sample(NAMES, 2), rng.choice(THINGS)
    one = rng.choice([number for number in range(2, result) if _is_countable(number) and result != 2 * number])
    other = result - one
    compared = f"на {abs(other - one)} {'больше' if other > one else 'меньше'}"
    return (
        f"У {first.genitive} {thing.counted(one)}, у {second.genitive} {compared}. "
        f"Сколько {thing.plural_genitive} у них вместе?"
    )


STORIES: Mapping[Grade, Mapping[str, Callable[[random.Random, int], str]]] = {
    "easy": {"gain": story_of_gain, "loss": story_of_loss},
    "middle": {"gain and loss": story_of_gain_and_loss},
    "hard": {"boxes": story_of_boxes, "two people": story_of_two},
}


def _is_countable(number: int) -> bool:
    return number % 10 != 1 or number % 100 == 11


def _countable(rng: random.Random, low: int, high: int) -> int:
    """A number of [low, high] that a thing can be counted with; the range must have one."""
    return rng.choice([number for number in range(low, high + 1) if _is_countable(number)])


def _pronoun(name: Name) -> str:
    return name.by_gender("Он", "Она")
