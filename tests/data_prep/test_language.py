"""The scenes' Russian agrees with an independent morphological dictionary, form by form."""

from functools import lru_cache
from itertools import product

import pymorphy3
import pytest

from data_prep.synthetic.language import (
    ANY_SHAPE,
    SHAPE_NOUNS,
    Noun,
    adjective,
    capitalised,
    counted,
    number_word,
    several,
)
from data_prep.synthetic.scenes import BACKGROUNDS, COLOURS, SHAPES

NOUNS = [*SHAPE_NOUNS.values(), ANY_SHAPE]
CASE_TAGS = {"nominative": "nomn", "genitive": "gent", "instrumental": "ablt", "prepositional": "loct"}
GENDER_TAGS = {"masculine": "masc", "feminine": "femn", "neuter": "neut"}


@lru_cache(maxsize=1)
def dictionary():
    return pymorphy3.MorphAnalyzer()


@lru_cache
def parsed(word, part_of_speech):
    return next(p for p in dictionary().parse(word) if p.tag.POS in part_of_speech and p.normal_form == word)


def dictionary_form(word, part_of_speech, *tags):
    return parsed(word, part_of_speech).inflect(set(tags)).word


def dictionary_adjective(colour, case, gender, plural):
    number = ("plur",) if plural else ("sing", GENDER_TAGS[gender])
    return dictionary_form(colour, ("ADJF",), CASE_TAGS[case], *number)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.nominative)
def test_nouns_have_their_gender_and_six_forms(noun):
    assert parsed(noun.nominative, ("NOUN",)).tag.gender == GENDER_TAGS[noun.gender]
    for case, plural in product(("nominative", "genitive", "instrumental"), (False, True)):
        expected = dictionary_form(noun.nominative, ("NOUN",), CASE_TAGS[case], "plur" if plural else "sing")
        assert noun.form(case, plural) == expected


@pytest.mark.parametrize("colour", [*COLOURS, *BACKGROUNDS])
def test_every_form_of_every_colour(colour):
    for case, gender, plural in product(CASE_TAGS, GENDER_TAGS, (False, True)):
        assert adjective(colour, case, gender, plural) == dictionary_adjective(colour, case, gender, plural)


def dictionary_number(number, case, gender):
    lemma = ["один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"][number - 1]
    tags = [CASE_TAGS[case]]
    if number == 1:
        tags += [GENDER_TAGS[gender], "sing"]
    if number == 2 and case == "nominative":
        tags += [GENDER_TAGS[gender]]
    return dictionary_form(lemma, ("NUMR", "ADJF"), *tags)


@pytest.mark.parametrize("number", range(1, 10))
def test_numbers(number):
    for case, gender in product(("nominative", "genitive", "instrumental"), GENDER_TAGS):
        assert number_word(number, case, gender) == dictionary_number(number, case, gender)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.nominative)
def test_number_colour_and_noun_agree(noun):
    """Hundreds of whole phrases; the nominative follows the dictionary's own rule for nouns beside numbers."""
    for number, colour, case in product(range(1, 10), COLOURS, ("nominative", "genitive", "instrumental")):
        words = [dictionary_number(number, case, noun.gender)]
        if case == "nominative":
            few_feminine = noun.gender == "feminine" and 2 <= number <= 4
            adjective_case = "nominative" if number == 1 or few_feminine else "genitive"
            words.append(dictionary_adjective(colour, adjective_case, noun.gender, plural=number > 1))
            words.append(parsed(noun.nominative, ("NOUN",)).make_agree_with_number(number).word)
        else:
            words.append(dictionary_adjective(colour, case, noun.gender, plural=number > 1))
            words.append(dictionary_form(noun.nominative, ("NOUN",), CASE_TAGS[case], "plur" if number > 1 else "sing"))
        assert counted(number, colour, noun, case, say_one=True) == " ".join(words)


@pytest.mark.parametrize(
    ("number", "colour", "shape", "case", "say_one", "phrase"),
    [
        (1, "жёлтый", "ромб", "nominative", False, "жёлтый ромб"),
        (1, "синий", "звезда", "nominative", True, "одна синяя звезда"),
        (1, "красный", "сердце", "instrumental", False, "красным сердцем"),
        (2, "жёлтый", "ромб", "nominative", False, "два жёлтых ромба"),
        (2, "синий", "звезда", "nominative", False, "две синие звезды"),
        (3, "оранжевый", "квадрат", "instrumental", False, "тремя оранжевыми квадратами"),
        (3, "синий", "кольцо", "genitive", False, "трёх синих колец"),
        (4, None, "крест", "nominative", False, "четыре креста"),
        (5, "чёрный", "звезда", "nominative", False, "пять чёрных звёзд"),
    ],
)
def test_phrases(number, colour, shape, case, say_one, phrase):
    assert counted(number, colour, SHAPE_NOUNS[shape], case, say_one) == phrase


def test_colour_and_noun_without_a_number():
    assert several("жёлтый", SHAPE_NOUNS["ромб"], plural=True) == "жёлтые ромбы"
    assert several(None, SHAPE_NOUNS["звезда"], plural=False, case="instrumental") == "звездой"


def test_nouns_have_no_prepositional():
    with pytest.raises(KeyError):
        Noun("masculine", *["ромб"] * 6).form("prepositional")


def test_every_shape_has_its_noun():
    assert tuple(SHAPE_NOUNS) == SHAPES


def test_capitalised_changes_the_first_letter_alone():
    assert capitalised("ёж и Пётр") == "Ёж и Пётр"
    assert capitalised("") == ""
