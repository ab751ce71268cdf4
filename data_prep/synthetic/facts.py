"""Facts about people: as sentences, as questions, and drawn as short passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from data_prep.synthetic.grades import Grade
from data_prep.synthetic.language import capitalised
from data_prep.synthetic.people import BIRTH_YEARS, CARS, CITIES, FOODS, JOBS, NAMES, PETS, Name


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that every person has one of, and how it is said and asked.

    Templates may use {name}, {genitive} (of the name), {born} (the verb in the name's gender) and {value}.
    `question` repeats the words of `clause`, `paraphrase` asks for the same in other words, `inverse` asks whose it is.
    """

    key: str
    values: tuple[str, ...]
    clause: str
    question: str
    paraphrase: str
    inverse: str

    @property
    def owner_is_genitive(self) -> bool:
        """Whether the sentence says "у Анны ..." rather than "Анна ..."."""
        return "{genitive}" in self.clause


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "job", tuple(JOBS.values()), "{name} работает {value}",
        "Кем работает {name}?", "Кем трудится {name}?", "Кто работает {value}?",
    ),
    Attribute(
        "city", tuple(f"в {city}" for city in CITIES.values()), "{name} живёт {value}",
        "Где живёт {name}?", "В каком городе живёт {name}?", "Кто живёт {value}?",
    ),
    Attribute(
        "pet", PETS, "у {genitive} есть {value}",
        "Кто есть у {genitive}?", "Какое животное у {genitive}?", "У кого есть {value}?",
    ),
    Attribute(
        "food", tuple(FOODS.values()), "{name} любит {value}",
        "Что любит {name}?", "Какую еду любит {name}?", "Кто любит {value}?",
    ),
    Attribute(
        "year", tuple(str(year) for year in BIRTH_YEARS), "{name} {born} в {value} году",
        "В каком году {born} {name}?", "Назови год, когда {born} {name}.", "Кто родился в {value} году?",
    ),
    Attribute(
        "car", tuple(CARS.values()), "у {genitive} {value} машина",
        "Какая машина у {genitive}?", "Какого цвета машина у {genitive}?", "У кого {value} машина?",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """One attribute of one person. `value` stands literally in the sentence, so it is a span answer."""

    name: Name
    attribute: Attribute
    value: str

    def _fill(self, template: str) -> str:
        return template.format(
            name=self.name.nominative,
            genitive=self.name.genitive,
            born=self.name.by_gender("родился", "родилась"),
            value=self.value,
        )

    @property
    def clause(self) -> str:
        """ "у Анны есть кот": for the middle of a sentence."""
        return self._fill(self.attribute.clause)

    @property
    def sentence(self) -> str:
        """ "У Анны есть кот."."""
        return capitalised(self.clause) + "."

    @property
    def question(self) -> str:
        """The question for the value in the sentence's words."""
        return self._fill(self.attribute.question)

    @property
    def paraphrase(self) -> str:
        """The question for the value in other words."""
        return self._fill(self.attribute.paraphrase)

    @property
    def inverse(self) -> str:
        """The question for the person."""
        return self._fill(self.attribute.inverse)

    @property
    def owner(self) -> str:
        """The person as the sentence begins: "Анна" or "У Анны"."""
        return f"У {self.name.genitive}" if self.attribute.owner_is_genitive else self.name.nominative


def draw_facts(rng: random.Random, grade: Grade) -> list[Fact]:
    """The facts of a passage in random order, every person with a value of every attribute drawn, no value twice.

    easy: one person, one or two attributes; middle: two people, one or two; hard: three people, two.
    """
    people = {"easy": 1, "middle": 2, "hard": 3}[grade]
    return facts_about(rng, people, 2 if grade == "hard" else rng.randint(1, 2))


def facts_about(rng: random.Random, people: int, amount: int) -> list[Fact]:
    """Facts in random order: `amount` attributes of each of `people` persons, no value twice."""
    names = rng.sample(NAMES, people)
    attributes = rng.sample(ATTRIBUTES, amount)
    facts = [
        Fact(name, attribute, value)
        for attribute in attributes
        for name, value in zip(names, rng.sample(attribute.values, people), strict=True)
    ]
    rng.shuffle(facts)
    return facts


def passage(facts: Sequence[Fact]) -> str:
    """The facts' sentences as one text."""
    return " ".join(fact.sentence for fact in facts)


def rivals(facts: Sequence[Fact], asked: Fact) -> list[Fact]:
    """The same attribute of the passage's other people: the answers of the right type that are wrong."""
    return [fact for fact in facts if fact.attribute is asked.attribute and fact is not asked]
