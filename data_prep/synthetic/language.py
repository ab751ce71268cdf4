"""Russian forms of a closed vocabulary: shapes, colours, small numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Gender: TypeAlias = Literal["masculine", "feminine", "neuter"]
Case: TypeAlias = Literal["nominative", "genitive", "instrumental", "prepositional"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun's gender and the six forms that captions and questions need."""

    gender: Gender
    nominative: str
    genitive: str
    instrumental: str
    plural_nominative: str
    plural_genitive: str
    plural_instrumental: str

    def form(self, case: Case, plural: bool = False) -> str:
        """The form of `case`; raises KeyError for the prepositional, which only adjectives have here."""
        form: str = asdict(self)[f"plural_{case}" if plural else case]
        return form


SHAPE_NOUNS: Mapping[str, Noun] = {
    noun.nominative: noun
    for noun in (
        Noun("masculine", "круг", "круга", "кругом", "круги", "кругов", "кругами"),
        Noun("masculine", "квадрат", "квадрата", "квадратом", "квадраты", "квадратов", "квадратами"),
        Noun(
            "masculine", "треугольник", "треугольника", "треугольником",
            "треугольники", "треугольников", "треугольниками",
        ),
        Noun("masculine", "ромб", "ромба", "ромбом", "ромбы", "ромбов", "ромбами"),
        Noun("masculine", "крест", "креста", "крестом", "кресты", "крестов", "крестами"),
        Noun("feminine", "звезда", "звезды", "звездой", "звёзды", "звёзд", "звёздами"),
        Noun("neuter", "кольцо", "кольца", "кольцом", "кольца", "колец", "кольцами"),
        Noun("neuter", "сердце", "сердца", "сердцем", "сердца", "сердец", "сердцами"),
    )
}  # fmt: skip

ANY_SHAPE = Noun("feminine", "фигура", "фигуры", "фигурой", "фигуры", "фигур", "фигурами")

HARD_ENDINGS: Mapping[Case, tuple[str, str, str, str]] = {  # masculine, feminine, neuter, plural
    "nominative": ("ый", "ая", "ое", "ые"),
    "genitive": ("ого", "ой", "ого", "ых"),
    "instrumental": ("ым", "ой", "ым", "ыми"),
    "prepositional": ("ом", "ой", "ом", "ых"),
}
SOFT_ENDINGS: Mapping[Case, tuple[str, str, str, str]] = {
    "nominative": ("ий", "яя", "ее", "ие"),
    "genitive": ("его", "ей", "его", "их"),
    "instrumental": ("им", "ей", "им", "ими"),
    "prepositional": ("ем", "ей", "ем", "их"),
}
STRESSED_NOMINATIVE = "ой"  # "голубой": otherwise as the hard declension
GENDERS: tuple[Gender, ...] = ("masculine", "feminine", "neuter")

ONE: Mapping[Case, tuple[str, str, str]] = {  # masculine, feminine, neuter
    "nominative": ("один", "одна", "одно"),
    "genitive": ("одного", "одной", "одного"),
    "instrumental": ("одним", "одной", "одним"),
}
NUMBERS: Mapping[int, Mapping[Case, str]] = {
    2: {"nominative": "два", "genitive": "двух", "instrumental": "двумя"},
    3: {"nominative": "три", "genitive": "трёх", "instrumental": "тремя"},
    4: {"nominative": "четыре", "genitive": "четырёх", "instrumental": "четырьмя"},
    5: {"nominative": "пять", "genitive": "пяти", "instrumental": "пятью"},
    6: {"nominative": "шесть", "genitive": "шести", "instrumental": "шестью"},
    7: {"nominative": "семь", "genitive": "семи", "instrumental": "семью"},
    8: {"nominative": "восемь", "genitive": "восьми", "instrumental": "восемью"},
    9: {"nominative": "девять", "genitive": "девяти", "instrumental": "девятью"},
}
LARGEST_NUMBER = max(NUMBERS)


def adjective(lemma: str, case: Case, gender: Gender, plural: bool = False) -> str:
    """A colour's form, e.g. ("синий", "genitive", "feminine") -> "синей". `lemma` is the masculine nominative."""
    if lemma.endswith(STRESSED_NOMINATIVE) and case == "nominative" and gender == "masculine" and not plural:
        return lemma
    endings = SOFT_ENDINGS if lemma.endswith("ний") else HARD_ENDINGS
    return lemma[:-2] + endings[case][3 if plural else GENDERS.index(gender)]


def number_word(number: int, case: Case, gender: Gender) -> str:
    """A number from 1 to 9 in words; only one and the nominative of two have a gender."""
    if number == 1:
        return ONE[case][GENDERS.index(gender)]
    if number == 2 and case == "nominative" and gender == "feminine":
        return "две"
    return NUMBERS[number][case]


def counted(number: int, colour: str | None, noun: Noun, case: Case = "nominative", say_one: bool = False) -> str:
    """ "два жёлтых ромба", "тремя звёздами", "красное кольцо": number, colour and noun in agreement.

    One is left unsaid unless `say_one`. After two to four in the nominative the noun is in the genitive singular and
    the adjective in the genitive plural, or in the nominative plural with feminine nouns; after five and more both are
    in the genitive plural.
    """
    words: list[str] = []
    if number > 1 or say_one:
        words.append(number_word(number, case, noun.gender))
    plural = number > 1
    adjective_case: Case = case
    form = noun.form(case, plural)
    if plural and case == "nominative":
        adjective_case = "nominative" if noun.gender == "feminine" and number < 5 else "genitive"
        form = noun.form("genitive", plural=number >= 5)
    if colour is not None:
        words.append(adjective(colour, adjective_case, noun.gender, plural))
    return " ".join([*words, form])


def several(colour: str | None, noun: Noun, plural: bool, case: Case = "nominative") -> str:
    """ "жёлтый ромб" or, if `plural`, "жёлтые ромбы": colour and noun without a number."""
    colour_words = [] if colour is None else [adjective(colour, case, noun.gender, plural)]
    return " ".join([*colour_words, noun.form(case, plural)])


def capitalised(sentence: str) -> str:
    """`sentence` with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]
