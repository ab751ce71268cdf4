"""The left text: joined as published, and what gives way when it is too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bpe import BPE
from models.rudolph import Config
from models.rudolph.vocabulary import BOS, EOS, Vocabulary
from submission.prompts import fit, left_ids, left_text, shorten
from tests.submission.conftest import GOLDEN

FACTS = "Дом стоит на горе. Кошка спит под столом. Река течёт на север. Мост ведёт в город."


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    config = Config(2, 8, 2, 256 + 16, l_text_seq_length=16, image_vocab_size=8, text_special_tokens=32)
    return Vocabulary(BPE(GOLDEN / "bpe_small_256.model"), config)


def test_each_text_is_followed_by_one_space() -> None:
    assert left_text(["вычислите 12 + 345", "= ?"]) == "вычислите 12 + 345 = ? "
    assert left_text([]) == ""


@pytest.mark.parametrize(
    ("texts", "capacity", "fitted"),
    [
        (["Ответь.", FACTS, "Где спит кошка?"], 20, ["Ответь.", FACTS, "Где спит кошка?"]),
        # 4 words for the passage: the sentence that the question is about
        (["Ответь.", FACTS, "Где спит кошка?"], 8, ["Ответь.", "Кошка спит под столом.", "Где спит кошка?"]),
        # 8: the first sentence too, which may be an instruction
        (
            ["Ответь.", FACTS, "Куда ведёт мост?"],
            12,
            ["Ответь.", "Дом стоит на горе. Мост ведёт в город.", "Куда ведёт мост?"],
        ),
        # 12: then the better of the others, and the order stays that of the passage
        (["Куда ведёт мост?", FACTS], 15, ["Куда ведёт мост?", FACTS.replace(" Река течёт на север.", "")]),
        # 6: the sentence that does not fit is cut to its first words
        (["Где спит кошка?", FACTS], 9, ["Где спит кошка?", "Дом стоит Кошка спит под столом."]),
        (["Где мост?", FACTS], 3, ["Где мост?", "Мост"]),
        # no room for a passage at all
        (["один два три четыре", FACTS], 3, ["один два три", ""]),
        # one item that is everything: the question at its end is spared
        (
            [f"{FACTS} Куда течёт река? a) север; b) юг"],
            14,
            ["Дом стоит на Река течёт на север. Куда течёт река? a) север; b) юг"],
        ),
        ([FACTS], 4, ["Дом стоит на горе."]),
        # options are spared, though they are longer than the passage
        (
            ["Кошка спит под столом. Мост ведёт в город.", "Где кошка?", "Варианты: a) под столом; b) на горе у реки"],
            15,
            ["Кошка спит под столом.", "Где кошка?", "Варианты: a) под столом; b) на горе у реки"],
        ),
        ([], 3, []),
    ],
    ids=[
        "fits",
        "one sentence",
        "first sentence",
        "in order",
        "words",
        "one word",
        "no room",
        "question inside",
        "no question",
        "options spared",
        "no texts",
    ],
)
def test_the_passage_gives_way(texts: list[str], capacity: int, fitted: list[str]) -> None:
    assert fit(texts, capacity, words) == fitted


def test_rare_words_weigh_more() -> None:
    passage = "Дом номер один красный. Дом номер два синий. Дом номер три белый и стоит у реки."
    assert shorten(passage, "Какой дом номер у реки?", 9, words) == "Дом Дом номер три белый и стоит у реки."


@given(st.lists(st.text("абв .?!\n", max_size=60), max_size=5), st.integers(1, 20))
def test_what_is_fitted_fits_and_holds_only_what_was_there(texts: list[str], capacity: int) -> None:
    fitted = fit(texts, capacity, words)
    assert sum(map(words, fitted)) <= capacity
    assert len(fitted) == len(texts)
    for before, after in zip(texts, fitted, strict=True):
        assert set(after.split()) <= set(before.split())
    assert fit(fitted, capacity, words) == fitted


def test_shortened_left_text_keeps_its_question(vocabulary: Vocabulary) -> None:
    passage, question = "собака и кошка бежит " * 10, "кошка ?"
    ids = left_ids([passage, question], vocabulary, shorten_passage=True).tolist()
    asked = vocabulary.pieces(question)
    assert EOS in ids
    end = ids.index(EOS)
    assert ids[end - len(asked) : end] == asked


@given(texts=st.lists(st.text("кот собака.?\u00a0\t", max_size=40), max_size=4))
def test_a_shortened_left_text_never_loses_its_end(vocabulary: Vocabulary, texts: list[str]) -> None:
    assert EOS in left_ids(texts, vocabulary, shorten_passage=True).tolist()


@pytest.mark.parametrize(("length", "ids"), [(1, [BOS]), (2, [BOS, 256]), (3, [BOS, 256, EOS])])
def test_a_left_text_with_no_room_for_a_piece_is_emptied(vocabulary: Vocabulary, length: int, ids: list[int]) -> None:
    short = Vocabulary(vocabulary.tokenizer, Config(2, 8, 2, 256 + length, length, text_special_tokens=32))
    assert left_ids(["дом ?", "кот"], short, shorten_passage=True).tolist() == ids


def test_the_published_way_cuts_the_end(vocabulary: Vocabulary) -> None:
    texts = ["собака и кошка бежит " * 10, "кошка ?"]
    ids = left_ids(texts, vocabulary, shorten_passage=False)
    assert ids.equal(vocabulary.encode_left(left_text(texts)))
    assert EOS not in ids.tolist()
