"""Questions that ask for an answer of a certain form, and answers brought to it. Reads words, never the model.

"С какой буквы начинается слово?" asks for one letter: a model that says the whole word knows it, and is not understood.
Whoever is asked how many says a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from submission.answer_options import asked_question

AskedForm: TypeAlias = Literal["character", "number"]

_CHARACTER = re.compile(
    r"\b(?:как(?:ая|ой|ую)|котор(?:ая|ой|ую))\s(?:[\w-]++\s){0,2}?"
    r"(?P<kind>букв|цифр)(?:а|у|ой|ы|е)\b",
    re.IGNORECASE,
)
_AT_THE_END = re.compile(r"\b(?:за|о)?к[ао]нч|\bпоследн|\bв\sконце\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\W*+(?:(?:а|и|но|так|ну)\s)?сколько\b(?!\s(?:времени|лет\sназад))", re.IGNORECASE)
NUMERALS = (
    "ноль", "один", "одна", "одно", "два", "две", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять",
    "десять", "одиннадцать", "двенадцать",
)  # fmt: skip
NUMBERS = (*NUMERALS, *map(str, range(13)))  # what is chosen among where an answer has no number
_TENS = "тринадцать|надцать|двадцать|тридцать|сорок|десят|девяносто|сто|двести|триста|четыреста|сот|тысяч|миллион"
_NUMBER = re.compile(rf"\d|\b(?:{'|'.join(NUMERALS)}|двое|трое|четверо|пара|много|мало|нисколько)\b|(?:{_TENS})", re.I)


def asked_form(texts: Sequence[str]) -> AskedForm | None:
    """Return the form that the question of a sample's texts asks for; None where it may be any."""
    question = asked_question(texts)
    if _CHARACTER.search(question):
        return "character"
    return "number" if _HOW_MANY.match(question) else None


def has_number(answer: str) -> bool:
    """Whether an answer says a number, by digits or in a word."""
    return bool(_NUMBER.search(answer))


def one_character(answer: str, texts: Sequence[str]) -> str:
    """The first letter or digit of an answer, or its last one where the end is asked about; or the answer as it is.

    `texts` are those of a sample that asks for a character.
    """
    question = asked_question(texts)
    asked = _CHARACTER.search(question)
    if asked is None:
        raise ValueError(f"the question asks for no character: {question!r}")
    wanted = str.isdigit if asked["kind"].lower() == "цифр" else str.isalpha
    characters = [character for character in answer if wanted(character)]
    if not characters:
        return answer
    return characters[-1 if _AT_THE_END.search(question) else 0]
