"""Stems, tokens, number words: literal cases whose answers were taken from NLTK 3.7 and wordtodigits 1.0.2."""

import random

import pytest
from nltk.tokenize import NLTKWordTokenizer

from evaluation.metrics.english_numbers import number_words_to_digits
from evaluation.metrics.stems import nltk_stem, porter_stem, snowball_stem
from evaluation.metrics.treebank import word_tokens


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("", ""),
        ("  три \t кошки ", "три кошки"),
        ("three cats", "3 cats"),
        ("Twenty Five", "25"),
        ("one two", "3"),
        ("hundred", "0"),
        ("two hundred and five cats", "205 cats"),
        ("cat and dog", "cat and dog"),
        ("one million two thousand three", "1002003"),
        ("point six", "0.6"),
        ("three point one four", "3.14"),
        ("three point twenty", "3. twenty"),
        ("this point", "this point"),
        ("one point two point three", "1.2 2.3"),
        ("xbox one", "xbox 1"),
    ],
)
def test_english_number_words(text: str, digits: str) -> None:
    assert number_words_to_digits(text) == digits


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("dogs", "dog"),
        ("running", "run"),
        ("skies", "sky"),
        ("dies", "die"),
        ("flies", "fli"),
        ("died", "die"),
        ("spied", "spi"),
        ("enjoy", "enjoy"),
        ("happy", "happi"),
        ("relational", "relat"),
        ("rationally", "ration"),
        ("geology", "geolog"),
        ("adoption", "adopt"),
        ("controlling", "control"),
        ("hoping", "hope"),
        ("hopping", "hop"),
        ("as", "as"),
        ("собаки", "собаки"),
        ("котs", "кот"),
    ],
)
def test_porter_stems_with_the_extensions_of_nltk(word: str, stem: str) -> None:
    assert porter_stem(word) == stem


@pytest.mark.parametrize(
    ("word", "of_nltk", "of_snowball"),
    [
        ("кошками", "кошк", "кошк"),
        ("животное", "животн", "животн"),
        ("ёлка", "елк", "елк"),
        ("красивейшие", "красив", "красив"),
        ("радость", "радост", "радост"),
        ("следующая", "следующ", "след"),  # the suffix is spelt wrongly in NLTK's list
        ("йод", "йод", "йод"),
        ("cats", "cats", "cats"),
        ("t-рубашка", "т-рубашк", "t-рубашк"),  # Latin letters come back as Cyrillic ones
        ("«", "«", "«"),
    ],
)
def test_russian_stems(word: str, of_nltk: str, of_snowball: str) -> None:
    assert (nltk_stem(word), snowball_stem(word)) == (of_nltk, of_snowball)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("кот  на\u00a0окне", ["кот", "на", "окне"]),
        ('знак " стоп " у', ["знак", "``", "стоп", "``", "у"]),
        ('"стоп" у', ["``", "стоп", "''", "у"]),
        ("знак «стоп»", ["знак", "«", "стоп", "»"]),
        ("знак“стоп”", ["знак", "“", "стоп", "”"]),
        ("it ' s a cat", ["it", "'", "s", "a", "cat"]),
        ("cannot", ["can", "not"]),
        ("i am gonna", ["i", "am", "gon", "na"]),
        ("wanna", ["wan", "na"]),
        ("{старый", ["{", "старый"]),
        ("< unk >", ["<", "unk", ">"]),
        ("10$ & co*", ["10", "$", "&", "co", "*"]),
        ("черно-белый — кот", ["черно-белый", "—", "кот"]),
        ("кот--собака", ["кот", "--", "собака"]),
        ("дом—сад", ["дом—сад"]),
        ("3.14 и 3. twenty", ["3.14", "и", "3.", "twenty"]),
        ("кот." + " " * 60_000 + "x", ["кот.", "x"]),  # minutes, if the time grows with the square
        ("кот.  ) \n ", ["кот", ".", ")"]),
    ],
)
def test_tokens_of_a_cleaned_text(text: str, tokens: list[str]) -> None:
    assert list(word_tokens(text)) == tokens


def test_tokens_are_those_of_todays_nltk_but_for_its_later_rules() -> None:
    """Later versions split off dashes and an apostrophe before a Cyrillic letter; all else is as it was."""
    generator, tokenizer = random.Random(13), NLTKWordTokenizer()
    pieces = [*'«»“‘„”’`"@#$&*{<>.,:;%?!()[]} ', "--", "...", "``", " кот ", "кот", "cannot", " gonna ", "3.5", "it's "]
    for _ in range(2000):
        text = "".join(generator.choices(pieces, k=generator.randrange(1, 9)))
        assert list(word_tokens(text)) == tokenizer.tokenize(text)
