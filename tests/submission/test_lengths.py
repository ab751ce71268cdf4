"""Which questions ask how long what is written in a picture is, which do not, and how they are answered."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data_prep.synthetic.signs import Sign, paint_sign
from data_prep.synthetic.world import draw
from models.pixels import to_pixels
from models.rudolph.vocabulary import EMPTY_ANSWER
from submission.engine import Engine, Query
from submission.lengths import WHAT_IS_WRITTEN, asked_length, length_of
from submission.loading import load_networks
from submission.profiles import PROFILES, TUNED

BUNDLED = Path(__file__).parents[2] / "weights"
LETTERS, DIGITS, CHARACTERS, WORDS = (
    asked_length([f"Сколько {each} в надписи?"]) for each in ("букв", "цифр", "символов", "слов")
)


@pytest.mark.parametrize(
    ("question", "counted"),
    [
        ("Сколько букв в слове?", LETTERS),
        ("Сколько цифр в числе?", DIGITS),
        ("А сколько букв в этом слове на картинке?", LETTERS),
        ("сколько всего символов в надписи", CHARACTERS),
        ("Сколько слов на вывеске?", WORDS),
        ("Сколько букв?", LETTERS),
        ("Сколько букв написано на табличке?", LETTERS),
        ("Какое количество букв в слове?", LETTERS),
        ("Посчитай буквы в слове.", LETTERS),
        ("Сосчитайте, сколько цифр в номере.", DIGITS),
    ],
)
def test_who_asks_for_a_length(question: str, counted: object) -> None:
    assert counted is not None
    assert asked_length([question]) is counted
    assert asked_length(["Посмотри на картинку.", question]) is counted


@pytest.mark.parametrize(
    "texts",
    [
        ["Сколько гласных букв в слове?"],
        ["Сколько букв «а» в слове?"],
        ["Сколько красных букв?"],
        ["Сколько букв в слове «дом»?"],  # which need not stand in the picture
        ["Сколько букв в русском алфавите?"],
        ["Сколько букв в последнем слове?"],
        ["Сколько букв и цифр?"],
        ["Сколько кругов на картинке?"],
        ["Сколько знаков на дороге?"],
        ["Что написано слева?"],
        ["Он долго шёл домой и думал о том, что видел.", "Сколько букв в слове?"],  # a passage
        ["Где ромб?", "Сколько букв в слове?"],
        ["", " "],
        [],
    ],
)
def test_who_asks_for_no_length(texts: list[str]) -> None:
    assert asked_length(texts) is None


def test_a_long_question_is_read_in_time_proportional_to_it() -> None:
    for unit in ("сколько букв в ", "сколько букв всего ", "посчитай ", " "):
        assert asked_length([unit * 20_000]) is None


@pytest.mark.parametrize(
    ("counted", "written", "length"),
    [
        (LETTERS, "ПЛОЩАДЬ", "7"),
        (LETTERS, "до 12 часов", "7"),
        (LETTERS, "1812", None),
        (DIGITS, "1812 г", "4"),
        (CHARACTERS, "до 12", "4"),
        (WORDS, "до 12 часов", "3"),
        (WORDS, "", None),
    ],
)
def test_what_is_counted(counted: re.Pattern[str], written: str, length: str | None) -> None:
    assert length_of(counted, written) == length


def test_only_tuned_counts_and_only_with_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads nothing that can be counted is asked as it stands, and so is who has no picture."""
    assert {name: profile.lengths for name, profile in PROFILES.items()} == {"tuned": True, "baseline": False}
    asked: list[list[tuple[str, ...]]] = []
    written = {"0": "сад", "1": "17", "2": EMPTY_ANSWER}

    def said(engine: Engine, queries: list[Query]) -> list[str]:
        asked.append([query.texts for query in queries])
        return [written[query.id] if query.texts == (WHAT_IS_WRITTEN,) else "три" for query in queries]

    monkeypatch.setattr(Engine, "_said", said)
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    question, codes = ("Сколько букв в слове?",), torch.zeros(networks.rudolph.config.image_seq_length).long()
    queries = [*(Query(key, question, codes) for key in written), Query("blind", question)]
    engine = Engine(networks, TUNED, seed=0)
    assert [answer.text for answer in engine.answer(queries)] == ["3", "три", "три", "три"]
    assert asked == [[*[(WHAT_IS_WRITTEN,)] * 3, question], [question] * 2]
    asked.clear()
    plain = Engine(networks, replace(TUNED, lengths=False), seed=0)
    assert [answer.text for answer in plain.answer(queries)] == ["три"] * 4
    assert asked == [[question] * 4, []]


def test_the_bundled_model_tells_lengths_of_what_it_reads() -> None:
    """By itself it says how many shapes it sees; drawn from a seed that no training used, in batches of any size."""
    networks = load_networks(BUNDLED, torch.device("cpu"), torch.float32)
    engine = Engine(networks, TUNED, seed=0)
    drawn = [draw("hidden6", 777001, "test", index) for index in range(24)]
    drawn = [each for each in drawn if each.kind == "length"]
    assert len(drawn) == 14
    signs = [each.picture for each in drawn if isinstance(each.picture, Sign)]
    pictures = [to_pixels(paint_sign(sign), networks.side) for sign in signs]
    codes = engine.encode([str(row) for row in range(len(drawn))], pictures)
    queries = [
        Query(str(row), tuple(item.content for item in each.items if item.type == "text"), of_picture)
        for row, (each, of_picture) in enumerate(zip(drawn, codes, strict=True))
    ]
    said = [answer.text for answer in engine.answer(queries)]
    right = [answer in each.answers for answer, each in zip(said, drawn, strict=True)]
    assert sum(right) >= 0.8 * len(right)
    assert [engine.answer([query])[0].text for query in queries[:4]] == said[:4]
