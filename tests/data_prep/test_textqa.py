"""TextQA: the answer is a span that one fact alone gives, in right Russian; the passage is short; options are fair."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict

import pymorphy3
import pytest

from data_prep.synthetic import textqa
from data_prep.synthetic.drawn import Drawn
from data_prep.synthetic.facts import ATTRIBUTES
from data_prep.synthetic.grades import GRADES, Grade
from data_prep.synthetic.instructions import INSTRUCTIONS
from data_prep.synthetic.people import CAR_COLOURS, CARS, CITIES, FOODS, JOBS, NAMES, PETS, Name

SAMPLES = 1500

# (question, the sentence that answers it): "{0}" is what the question names, "(...)" the answer.
LOOK_UPS: tuple[tuple[str, str, str], ...] = (
    (r"Кем (?:работает|трудится) (\w+)\?", r"{0} работает (\w+)\.", "job"),
    (r"(?:Где|В каком городе) живёт (\w+)\?", r"{0} живёт (в \w+)\.", "city"),
    (r"(?:Кто есть|Какое животное) у (\w+)\?", r"У {0} есть (\w+)\.", "pet"),
    (r"(?:Что|Какую еду) любит (\w+)\?", r"{0} любит (\w+)\.", "food"),
    (r"В каком году родил(?:ся|ась) (\w+)\?", r"{0} родил(?:ся|ась) в (\d+) году\.", "year"),
    (r"Назови год, когда родил(?:ся|ась) (\w+)\.", r"{0} родил(?:ся|ась) в (\d+) году\.", "year"),
    (r"(?:Какая|Какого цвета) машина у (\w+)\?", r"У {0} (\w+) машина\.", "car"),
    (r"Кто работает (\w+)\?", r"(\w+) работает {0}\.", "who by job"),
    (r"Кто живёт (в \w+)\?", r"(\w+) живёт {0}\.", "who by city"),
    (r"У кого есть (\w+)\?", r"(У \w+) есть {0}\.", "who by pet"),
    (r"Кто любит (\w+)\?", r"(\w+) любит {0}\.", "who by food"),
    (r"Кто родился в (\d+) году\?", r"(\w+) родил(?:ся|ась) в {0} году\.", "who by year"),
    (r"У кого (\w+) машина\?", r"(У \w+) {0} машина\.", "who by car"),
)


def samples(grade: Grade, number: int = SAMPLES) -> list[Drawn]:
    rng = random.Random(f"textqa {grade}")
    return [textqa.make(rng, grade) for _ in range(number)]


def parts(drawn: Drawn) -> tuple[str, str, str | None]:
    """Passage, question and options of a sample, its instruction removed."""
    texts = [item.content for item in drawn.items]
    for instruction in INSTRUCTIONS["textqa"]:
        texts = [text.removeprefix(instruction).strip() for text in texts]
    passage, question, *options = [text for text in texts if text]
    return passage, question, options[0] if options else None


def listed(options: str) -> list[str]:
    return re.split(r"; [b-d]\) ", options.removeprefix("Варианты: ").removeprefix("a) "))


def value_of(drawn: Drawn) -> str:
    return drawn.answers[1] if parts(drawn)[2] else drawn.answers[0]


def looked_up(passage: str, question: str) -> tuple[list[str], list[str], str]:
    """What the passage answers, every entity of the answer's type in it, and the question's kind."""
    for asked, stated, kind in LOOK_UPS:
        match = re.fullmatch(asked, question)
        if match:
            answers = re.findall(r"\b" + stated.format(match[1]), passage)
            return answers, re.findall(r"\b" + stated.format(r"(?:в )?\w+"), passage), kind
    raise AssertionError(f"no such question is known: {question}")


@pytest.mark.parametrize("grade", GRADES)
def test_one_fact_alone_gives_the_answer(grade: Grade) -> None:
    for drawn in samples(grade):
        passage, question, _ = parts(drawn)
        answers, _, kind = looked_up(passage, question)
        assert answers == [value_of(drawn)]
        assert value_of(drawn) in passage
        assert kind == drawn.kind


@pytest.mark.parametrize(("grade", "chance"), [("easy", 1.0), ("middle", 1 / 2), ("hard", 1 / 3)])
def test_chance_of_a_same_type_entity_of_the_passage(grade: Grade, chance: float) -> None:
    shares = [1 / len(looked_up(*parts(drawn)[:2])[1]) for drawn in samples(grade)]
    assert sum(shares) / len(shares) == pytest.approx(chance)


@pytest.mark.parametrize(("grade", "sentences"), [("easy", {1, 2}), ("middle", {2, 4}), ("hard", {6})])
def test_number_of_facts(grade: Grade, sentences: set[int]) -> None:
    assert {parts(drawn)[0].count(".") for drawn in samples(grade)} == sentences


def test_easy_question_repeats_the_words_of_its_fact() -> None:
    for drawn in samples("easy"):
        passage, question, _ = parts(drawn)
        words = re.findall(r"\w+", question)[1:]
        interrogatives = {"каком", "году", "есть", "машина", "у"}
        assert all(word in passage or word in interrogatives for word in words)


def test_only_hard_questions_ask_for_the_person() -> None:
    inverse = {grade: sum(d.kind.startswith("who by") for d in samples(grade)) / SAMPLES for grade in GRADES}
    assert inverse["easy"] == inverse["middle"] == 0
    assert inverse["hard"] == pytest.approx(0.35, abs=0.05)


@pytest.mark.parametrize(("grade", "share"), [("easy", 0.2), ("middle", 0.3), ("hard", 0.4)])
def test_share_of_options(grade: Grade, share: float) -> None:
    with_options = sum(parts(drawn)[2] is not None for drawn in samples(grade))
    assert with_options / SAMPLES == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("grade", GRADES)
def test_options_include_the_passages_others(grade: Grade) -> None:
    types = {attribute.key: set(attribute.values) for attribute in ATTRIBUTES}
    owners = {name.nominative for name in NAMES} | {f"У {name.genitive}" for name in NAMES}
    for drawn in samples(grade):
        passage, question, options = parts(drawn)
        if options is None:
            continue
        values = listed(options)
        assert len(set(values)) == len(values) == 4
        assert set(values) <= types.get(drawn.kind, owners)
        assert set(looked_up(passage, question)[1]) <= set(values)
        marker, value, both = drawn.answers
        assert values["abcd".index(marker)] == value
        assert both == f"{marker} {value}"


def test_right_option_is_anywhere() -> None:
    markers = Counter(d.answers[0] for d in samples("hard", 8000) if len(d.answers) == 3)
    assert sorted(markers) == list("abcd")
    assert all(count / markers.total() == pytest.approx(0.25, abs=0.04) for count in markers.values())


@pytest.mark.parametrize(("grade", "most_words"), [("easy", 32), ("middle", 42), ("hard", 48)])
def test_left_text_is_short(grade: Grade, most_words: int) -> None:
    assert max(sum(len(i.content.split()) for i in d.items) for d in samples(grade, 6000)) <= most_words


@pytest.mark.parametrize("grade", GRADES)
def test_same_seed_draws_the_same_samples(grade: Grade) -> None:
    assert samples(grade, 50) == samples(grade, 50)


@pytest.mark.parametrize("grade", GRADES)
def test_every_attribute_is_asked_about_equally_often(grade: Grade) -> None:
    counts: dict[str, int] = defaultdict(int)
    for drawn in samples(grade):
        counts[drawn.kind.removeprefix("who by ")] += 1
    assert len(counts) == 6
    assert all(count / SAMPLES == pytest.approx(1 / 6, abs=0.05) for count in counts.values())


# ---- case forms against pymorphy3


@pytest.fixture(scope="module")
def morph() -> pymorphy3.MorphAnalyzer:
    return pymorphy3.MorphAnalyzer()


def forms(morph: pymorphy3.MorphAnalyzer, lemma: str, case: str, of: str = "NOUN") -> set[str]:
    """Every form of `case` that the dictionary knows of the nominative `lemma`, as it is used ("е" is not "ё")."""
    found = set()
    for parse in morph.parse(lemma):
        if of in parse.tag and "nomn" in parse.tag:
            number = "plur" if "plur" in parse.tag else "sing"
            inflected = parse.inflect({case, number})
            if inflected is not None:
                found.add(inflected.word)
    return found


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.nominative)
def test_names(morph: pymorphy3.MorphAnalyzer, name: Name) -> None:
    gender = "masc" if name.gender == "masculine" else "femn"
    parses = [p for p in morph.parse(name.nominative) if {"Name", "nomn", "sing", gender} in p.tag]
    assert name.genitive.lower() in {p.inflect({"gent"}).word for p in parses}


@pytest.mark.parametrize(("lemma", "form"), JOBS.items())
def test_jobs_are_instrumental(morph: pymorphy3.MorphAnalyzer, lemma: str, form: str) -> None:
    assert form in forms(morph, lemma, "ablt")


@pytest.mark.parametrize(("lemma", "form"), CITIES.items())
def test_cities_are_prepositional(morph: pymorphy3.MorphAnalyzer, lemma: str, form: str) -> None:
    assert form.lower() in forms(morph, lemma, "loct", of="Geox")


@pytest.mark.parametrize("pet", PETS)
def test_pets_are_nominative_singular(morph: pymorphy3.MorphAnalyzer, pet: str) -> None:
    assert any({"NOUN", "nomn", "sing"} in parse.tag for parse in morph.parse(pet))


@pytest.mark.parametrize(("lemma", "form"), FOODS.items())
def test_foods_are_accusative(morph: pymorphy3.MorphAnalyzer, lemma: str, form: str) -> None:
    assert form in forms(morph, lemma, "accs")


@pytest.mark.parametrize("lemma", CAR_COLOURS)
def test_cars_colours_are_feminine(morph: pymorphy3.MorphAnalyzer, lemma: str) -> None:
    parses = [p for p in morph.parse(lemma) if {"ADJF", "nomn", "masc"} in p.tag]
    assert CARS[lemma] in {p.inflect({"femn", "nomn", "sing"}).word for p in parses}


def test_verbs_agree_with_names() -> None:
    genders = {name.nominative: name.gender for name in NAMES}
    seen = Counter[str]()
    for drawn in samples("middle"):
        for name, ending in re.findall(r"(\w+) родил(ся|ась) в", parts(drawn)[0]):
            seen[ending] += 1
            assert (ending == "ась") == (genders[name] == "feminine")
        for ending, name in re.findall(r"родил(ся|ась) (\w+)\?", parts(drawn)[1]):
            assert (ending == "ась") == (genders[name] == "feminine")
    assert min(seen.values()) > 50
