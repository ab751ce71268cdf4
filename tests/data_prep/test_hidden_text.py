"""H1: statements true or false of a passage, in balance. H2: word problems with right arithmetic and right Russian."""

from __future__ import annotations

import random
import re
from collections import Counter
from fractions import Fraction

import pymorphy3
import pytest

from data_prep.synthetic import hidden_text
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import ATTRIBUTES
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.hidden_text import THINGS, Thing
from data_prep.synthetic.instructions import INSTRUCTIONS
from data_prep.synthetic.people import NAMES

SAMPLES = 4000


def statements(grade: Grade, number: int = SAMPLES) -> list[Drawn]:
    rng = random.Random(f"hidden1 {grade}")
    return [hidden_text.make_statement(rng, grade) for _ in range(number)]


def word_problems(grade: Grade, number: int = SAMPLES) -> list[Drawn]:
    rng = random.Random(f"hidden2 {grade}")
    return [hidden_text.make_word_problem(rng, grade) for _ in range(number)]


def without_instruction(drawn: Drawn, task_key: str) -> list[str]:
    texts = [item.content for item in drawn.items]
    for instruction in INSTRUCTIONS[task_key]:
        texts = [text.removeprefix(instruction).strip() for text in texts]
    return [text for text in texts if text]


# ---- H1


@pytest.mark.parametrize("grade", GRADES)
def test_statement_is_true_exactly_when_the_passage_says_it(grade: Grade) -> None:
    for drawn in statements(grade):
        passage, question = without_instruction(drawn, "hidden1")
        clause = question.removeprefix("Верно ли, что ").removesuffix("?")
        said = clause[0].upper() + clause[1:] + "." in re.findall(r"[^.]+\.", passage.replace(". ", "."))
        assert drawn.answers == ("да" if said else "нет",)


@pytest.mark.parametrize("grade", GRADES)
def test_yes_and_no_are_in_balance_for_every_attribute(grade: Grade) -> None:
    counts = Counter((drawn.kind, drawn.answers[0]) for drawn in statements(grade))
    assert {kind for kind, _ in counts} == {attribute.key for attribute in ATTRIBUTES}
    for attribute in ATTRIBUTES:
        yes, no = counts[attribute.key, "да"], counts[attribute.key, "нет"]
        assert yes / (yes + no) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("grade", ["middle", "hard"])
def test_false_statement_borrows_from_another_person(grade: Grade) -> None:
    """So that looking for the value in the passage tells nothing: the person matters."""
    for drawn in statements(grade):
        passage, question = without_instruction(drawn, "hidden1")
        values = next(attribute.values for attribute in ATTRIBUTES if attribute.key == drawn.kind)
        stated = [value for value in values if re.search(rf"\b{value}\b", question)]
        assert len(stated) == 1
        assert re.search(rf"\b{stated[0]}\b", passage)


@pytest.mark.parametrize(("grade", "most_words"), [("easy", 24), ("middle", 34), ("hard", 42)])
def test_statements_are_short(grade: Grade, most_words: int) -> None:
    assert max(sum(len(i.content.split()) for i in d.items) for d in statements(grade)) <= most_words


# ---- H2

STORIES = (
    (r"было (\d+) \w+\. Она? купила? ещё (\d+)\. Сколько \w+ стало\?", lambda a, b: a + b),
    (r"было (\d+) \w+\. Она? отдала? (\d+)\. Сколько \w+ осталось\?", lambda a, b: a - b),
    (
        r"было (\d+) \w+\. Она? купила? ещё (\d+) и отдала? (\d+)\. Сколько \w+ осталось\?",
        lambda a, b, c: a + b - c,
    ),
    (r"было (\d) короб\w+ по (\d+) \w+\. Она? отдала? (\d+)\. Сколько \w+ осталось\?", lambda a, b, c: a * b - c),
    (r"(\d+) \w+, у \w+ на (\d+) больше\. Сколько \w+ у них вместе\?", lambda a, b: a + (a + b)),
    (r"(\d+) \w+, у \w+ на (\d+) меньше\. Сколько \w+ у них вместе\?", lambda a, b: a + (a - b)),
)


def options_of(text: str) -> list[int]:
    return [int(value) for value in re.findall(r"[a-d]\) (\d+)", text)]


@pytest.mark.parametrize("grade", GRADES)
def test_arithmetic_is_right_and_nothing_is_negative(grade: Grade) -> None:
    seen = set()
    for drawn in word_problems(grade):
        story, options = without_instruction(drawn, "hidden2")
        found = [(match, reckon) for pattern, reckon in STORIES if (match := re.search(rf"У \w+ {pattern}$", story))]
        ((match, reckon),) = found
        numbers = [int(number) for number in match.groups()]
        assert min(numbers) >= 1
        assert int(drawn.answers[1]) == reckon(*numbers) > 0
        if "меньше" in story:
            assert numbers[1] < numbers[0]
        values = options_of(options)
        assert len(set(values)) == len(values) == 4
        assert values["abcd".index(drawn.answers[0])] == int(drawn.answers[1])
        assert drawn.answers[2] == f"{drawn.answers[0]} {drawn.answers[1]}"
        seen.add(drawn.kind)
    assert (
        seen
        == {
            "easy": {"gain", "loss"},
            "middle": {"gain and loss"},
            "hard": {"boxes", "two people"},
        }[grade]
    )


@pytest.mark.parametrize("grade", GRADES)
def test_options_tell_nothing(grade: Grade) -> None:
    markers, hits = Counter[str](), 0
    for drawn in word_problems(grade):
        values = [Fraction(value) for value in options_of(drawn.items[-1].content)]
        scores = [min(abs(v - w) for w in values if w != v) + min(abs(v + w) for w in values if w != v) for v in values]
        hits += "abcd"[scores.index(min(scores))] == drawn.answers[0]
        markers[drawn.answers[0]] += 1
    assert hits / SAMPLES == pytest.approx(0.25, abs=0.03)
    assert all(markers[marker] / SAMPLES == pytest.approx(0.25, abs=0.03) for marker in "abcd")


def test_pronouns_and_verbs_agree_with_names() -> None:
    feminine = {name.genitive: name.gender == "feminine" for name in NAMES}
    for grade in GRADES:
        for drawn in word_problems(grade, 500):
            story = without_instruction(drawn, "hidden2")[0]
            found = re.search(r"У (\w+) было .*\. (Он|Она) (\w+)", story)
            if found:
                assert (found[2] == "Она") == found[3].endswith("а") == feminine[found[1]]


@pytest.fixture(scope="module")
def morph() -> pymorphy3.MorphAnalyzer:
    return pymorphy3.MorphAnalyzer()


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.plural_genitive)
@pytest.mark.parametrize("number", [2, 4, 5, 11, 12, 20, 22, 25, 30])
def test_nouns_agree_with_numbers(morph: pymorphy3.MorphAnalyzer, thing: Thing, number: int) -> None:
    (lemma,) = {
        parse.normal_form for parse in morph.parse(thing.plural_genitive) if {"NOUN", "gent", "plur"} in parse.tag
    }
    noun = next(p for p in morph.parse(lemma) if {"NOUN", "nomn", "sing"} in p.tag)
    assert thing.counted(number) == f"{number} {noun.make_agree_with_number(number).word}"


@pytest.mark.parametrize("number", [1, 21, 31])
def test_numbers_that_take_the_nominative_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} takes the nominative singular"):
        THINGS[0].counted(number)


@pytest.mark.parametrize(("grade", "most_words"), [("easy", 28), ("middle", 32), ("hard", 32)])
def test_word_problems_are_short(grade: Grade, most_words: int) -> None:
    assert max(sum(len(i.content.split()) for i in d.items) for d in word_problems(grade)) <= most_words


@pytest.mark.parametrize("grade", GRADES)
def test_same_seed_draws_the_same_samples(grade: Grade) -> None:
    assert statements(grade, 50) == statements(grade, 50)
    assert word_problems(grade, 50) == word_problems(grade, 50)
