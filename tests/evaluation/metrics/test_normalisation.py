"""Normal forms: words, punctuation, numerals and numbers."""

import doctest
import importlib
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import normalisation
from evaluation.metrics.normalisation import lemma, number_form, official_form, spaced_words, strict_form
from evaluation.metrics.numerals import fold_numerals

MODULES = ("answers", "base", "mathqa", "normalisation", "numerals", "text_recognition", "text_to_text", "textqa")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"evaluation.metrics.{name}")).failed == 0


@pytest.mark.parametrize(
    ("text", "official", "strict"),
    [
        ("На берегах озёр", "на берег озеро", "на берег озеро"),
        ("юго-западный", "югозападный", "юго западный"),
        ("«Аврора»", "«аврора»", "аврора"),
        ("кот…пёс — ёж", "кот…пёс — ёж", "кот пёс ёж"),
        ("кот_пёс", "котпёс", "кот пёс"),
        ("0,3 секунды", "03 секунда", "0 3 секунда"),
        ("двадцать пять", "двадцать 5", "25"),
        ("ни одного", "ни 1", "ни 1"),
        ("никакой", "0", "0"),
        ("вторая", "второй", "2"),
        ("100 %", "100", "100"),
        ("два\u00a0кота\n", "2 кот", "2 кот"),
        ("и\u0306од", "и\u0306од", "йод"),
        ("", "", ""),
        ("?!…", "…", ""),
    ],
)
def test_normal_forms(text: str, official: str, strict: str) -> None:
    assert official_form(text) == official
    assert strict_form(text) == strict


@pytest.mark.parametrize(
    ("words", "folded"),
    [
        ("сто двадцать пять", "125"),
        ("пять сто", "5 100"),
        ("один два три", "1 2 3"),
        ("двадцать десять", "20 10"),
        ("тысяча", "1000"),
        ("тысяча тысяча", "1000 1000"),
        ("два миллион три тысяча четыре", "2003004"),
        ("три тысяча два миллион", "3002 1000000"),
        ("5 тысяча 300", "5300"),
        ("двадцать 1", "21"),
        ("5 7", "5 7"),
        ("007", "007"),
        ("сто первый второй", "101 2"),
        ("двухсотый", "200"),
        ("ноль ноль семь", "0 0 7"),
        ("семеро козлёнок", "7 козлёнок"),
        ("две тысяча двадцать второй", "две 1022"),  # `две` is no lemma: that is the lemmatiser's to say
        ("", ""),
    ],
)
def test_numerals(words: str, folded: str) -> None:
    assert " ".join(fold_numerals(words.split())) == folded


UNITS = [
    *["", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять", "десять", "одиннадцать"],
    *["двенадцать", "тринадцать", "четырнадцать", "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать"],
    "девятнадцать",
]
TENS = ["", "", "двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"]
HUNDREDS = ["", "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"]


def spelt(number: int) -> str:
    """The lemmas of a number's Russian name."""
    if number >= 1000:
        return f"{spelt(number // 1000)} тысяча {spelt(number % 1000)}"
    below = number % 100
    rest = UNITS[below] if below < 20 else f"{TENS[below // 10]} {UNITS[below % 10]}"
    return f"{HUNDREDS[number // 100]} {rest}"


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 999_999))
def test_a_number_s_name_becomes_the_number(number: int) -> None:
    assert fold_numerals(spelt(number).split()) == [str(number)]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("3,5", "7/2"),
        ("3.50", "7/2"),
        (".5", "1/2"),
        ("1/2", "1/2"),
        ("2 / 4", "1/2"),
        ("12", "12"),
        ("05", "5"),
        ("-0", "0"),
        ("1/0", "1/0"),
        ("10 000", "10000"),
        ("10\u00a0000,5", "20001/2"),
        ("10,000", "10"),
        *((f"{minus}3", "-3") for minus in "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2796\ufe63\uff0d"),
        ("- 3", "-3"),
        ("+3", "3"),
        ("--3", "3"),
        ("минус три", "-3"),
        ("минус 3,5", "-7/2"),
        ("плюс три", "3"),
        ("минус", "минус"),
        ("d) -3", "d -3"),
        ("d — -3", "d -3"),
        ("x=5", "x 5"),
        ("2x + 3", "2 x 3"),
        ("x < 5", "x < 5"),
        ("x ≥ 5", "x ≥ 5"),
        ("нет решений.", "нет решение"),
        ("", ""),
    ],
)
def test_numbers_are_parsed(text: str, form: str) -> None:
    assert number_form(text) == form


@settings(max_examples=200, deadline=None)
@given(st.fractions(max_denominator=99))
def test_one_number_has_one_form(number: Fraction) -> None:
    spellings = {str(number), str(number).replace("-", "\u2212"), f" {number}. "}
    assert {number_form(text) for text in spellings} == {str(number)}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_every_text_has_forms_and_words_without_punctuation(text: str) -> None:
    number_form(text)
    strict_form(text)
    assert not any(normalisation.is_punctuation(character) for word in spaced_words(text) for character in word)


@pytest.mark.parametrize(
    "text", ["9" * 20_000, "-" * 20_000, "1/" * 10_000, "- " * 10_000, "1 000" * 5_000, "." * 20_000]
)
def test_long_texts_have_forms_too(text: str) -> None:
    number_form(text)
    strict_form(text)
    official_form(text)


def test_each_distinct_word_is_lemmatised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting:
        def __init__(self) -> None:
            self.seen: Counter[str] = Counter()

        def parse(self, word: str) -> list["Counting"]:
            self.seen[word] += 1
            self.normal_form = word
            return [self]

    analyzer = Counting()
    monkeypatch.setattr(normalisation, "_analyzer", lambda: analyzer)
    cached = (lemma, number_form, normalisation._plain_lemma, normalisation._official_chunk)
    for function in cached:
        function.cache_clear()
    try:
        for number in range(50):
            official_form(f"Кот и пёс {number}")
            strict_form(f"пёс, кот и {number}")
            number_form(f"кот = {number}")
        assert set(analyzer.seen.values()) == {1}
        assert len(analyzer.seen) == 53
    finally:
        for function in cached:
            function.cache_clear()
