"""What cleaning removes and keeps, and where an answer is found in its passage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.cleaning import clean, find_span, fold


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("5\u00a0км", "5 км"),
        ("5\u2009\u202fкм ", "5 км"),
        ("строка\nза\r\nстрокой", "строка за строкой"),
        ("два  пробела", "два пробела"),
        ("пере\u00adнос", "перенос"),
        ("\ufeffначало\u200b", "начало"),
        ("тёмно\u2011синий", "тёмно-синий"),
        ("и\u0306од", "йод"),
        ("Ёж — «зверь» – да", "Ёж — «зверь» – да"),
        ("", ""),
    ],
)
def test_odd_characters_go_and_the_source_s_own_words_stay(text, cleaned):
    assert clean(text) == cleaned


@given(st.text())
def test_cleaning_is_idempotent_and_folding_keeps_length(text):
    once = clean(text)
    assert clean(once) == once
    assert len(fold(once)) == len(once)


@pytest.mark.parametrize(
    ("passage", "answer", "span"),
    [
        ("Он жил в Твери.", "в Твери", "в Твери"),
        ("Он жил в Твери.", "В ТВЕРИ", "в Твери"),
        ("Который кот?", "кот", "кот"),
        ("Который Кот?", "кот", "Кот"),
        ("Которые", "кот", "Кот"),
        ("000000Yy", "y", "y"),  # inside a word, one that is written alike
        ("000000Yy Y", "y", "Y"),
        ("Некоторый Кот", "кот", "Кот"),
        ("Ёлка", "елка", "Ёлка"),
        ("1990–1995", "1990—1995", "1990–1995"),
        ("Он жил.", "в Туле", None),
        ("Он жил.", "", None),
    ],
)
def test_answer_is_found_as_the_passage_writes_it(passage, answer, span):
    assert find_span(passage, answer) == span


@given(st.text(min_size=1), st.data())
def test_every_part_of_a_passage_is_found(text, data):
    passage = clean(text)
    if not passage:
        return
    start = data.draw(st.integers(0, len(passage) - 1))
    part = passage[start : data.draw(st.integers(start + 1, len(passage)))]
    found = find_span(passage, part)
    # A whole word that differs in case is taken before an equal part of another word.
    assert found == part or (fold(found) == fold(part) and stands_inside_words(passage, part))


def stands_inside_words(passage, part):
    """Whether a part has, wherever it stands, a letter or digit of a longer word beside it."""
    places = [place for place in range(len(passage)) if passage.startswith(part, place)]
    before = [passage[:place][-1:].isalnum() and part[0].isalnum() for place in places]
    after = [passage[place + len(part) :][:1].isalnum() and part[-1].isalnum() for place in places]
    return all(map(max, before, after))
