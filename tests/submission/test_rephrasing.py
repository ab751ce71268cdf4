"""Which questions about a picture are asked in other words, which are not, and what the answers to those then say."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from data_prep.synthetic.scenes import Scene, ShapeGroup, paint_scene
from models.pixels import to_pixels
from models.rudolph.vocabulary import EMPTY_ANSWER
from submission.engine import Engine, Query
from submission.loading import Networks, load_networks
from submission.profiles import PROFILES, TUNED
from submission.rephrasing import WHAT_IS_WRITTEN, Rephrased, rephrase

BUNDLED = Path(__file__).parents[2] / "weights"
BOTH = ("length", "place")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(BUNDLED, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("question", "counted"),
    [
        ("Сколько букв в слове?", "букв"),
        ("Сколько цифр в числе?", "цифр"),
        ("А сколько букв в этом слове на картинке?", "букв"),
        ("сколько всего символов в надписи", "симв"),
        ("Сколько слов на вывеске?", "слов"),
        ("Сколько букв?", "букв"),
        ("Сколько букв написано на табличке?", "букв"),
        ("Какое количество букв в слове?", "букв"),
        ("Посчитай буквы в слове.", "букв"),
        ("Сосчитайте, сколько цифр в номере.", "цифр"),
    ],
)
def test_lengths_are_told_by_what_is_written(question: str, counted: str) -> None:
    assert rephrase([question], BOTH) == Rephrased((WHAT_IS_WRITTEN,), counted)
    assert rephrase(["Посмотри на картинку.", question], BOTH) == Rephrased((WHAT_IS_WRITTEN,), counted)
    assert rephrase([question], ("place",)) is None


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ("Опиши только то, что слева.", "Что находится слева?"),
        ("Опиши только фигуры сверху.", "Что находится сверху?"),
        ("Опишите лишь то, что находится внизу", "Что находится снизу?"),
        ("Назови предмет справа.", "Что находится справа?"),
        ("Опиши то, что в правой части изображения.", "Что находится справа?"),
        ("Опиши только фигуру посередине.", "Что находится в центре?"),
        ("Опиши только то, что слева от звезды.", "Что находится слева от звезды?"),
        ("Что ты видишь слева?", "Что находится слева?"),
        ("Что изображено справа на картинке?", "Что находится справа?"),
        ("Посмотри на картинку. Что нарисовано вверху?", "Что находится сверху?"),
    ],
)
def test_parts_are_asked_for_by_their_place(request_: str, asked: str) -> None:
    assert rephrase([request_], BOTH) == Rephrased((asked,))
    assert rephrase([request_], ("length",)) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["Сколько гласных букв в слове?"],
        ["Сколько букв «а» в слове?"],
        ["Сколько красных букв?"],
        ["Сколько букв в слове «дом»?"],  # which need not stand in the picture
        ["Сколько букв в русском алфавите?"],
        ["Сколько букв и цифр?"],
        ["Сколько кругов на картинке?"],
        ["Сколько знаков на дороге?"],
        ["Что написано слева?"],
        ["Что делает человек слева?"],
        ["Опиши изображение."],
        ["Опиши картинку слева направо."],
        ["Какого цвета фигура слева?"],
        ["Где находится ромб?"],
        ["Он долго шёл домой и думал о том, что видел.", "Сколько букв в слове?"],  # a passage
        ["Где ромб?", "Опиши то, что слева."],
        ["", " "],
        [],
    ],
)
def test_what_is_asked_as_it_stands(texts: list[str]) -> None:
    assert rephrase(texts, BOTH) is None


def test_a_long_request_is_read_in_time_proportional_to_it() -> None:
    for unit in ("сколько букв в ", "опиши то, что слева от ", "что ты видишь ", " "):
        assert rephrase([unit * 20_000], BOTH) is None


@pytest.mark.parametrize(
    ("counted", "said", "answer"),
    [
        ("букв", "ПЛОЩАДЬ", "7"),
        ("букв", "до 12 часов", "7"),
        ("букв", "1812", None),  # no letter: it is asked as it stands
        ("цифр", "1812 г", "4"),
        ("симв", "до 12", "4"),
        ("слов", "до 12 часов", "3"),
        ("слов", "", None),
        ("", "два круга", "два круга"),
    ],
)
def test_what_an_answer_to_other_words_says(counted: str, said: str, answer: str | None) -> None:
    assert Rephrased((), counted).answer(said) == answer


def test_an_unknown_rephrasing_is_refused() -> None:
    with pytest.raises(ValueError, match="rephrasings are length, place, not rhyme"):
        replace(TUNED, rephrasings=("rhyme",))  # type: ignore[arg-type]
    assert {name: profile.rephrasings for name, profile in PROFILES.items()} == {"tuned": BOTH, "baseline": ()}


def scene_codes(networks: Networks) -> Tensor:
    scene = Scene("белый", (ShapeGroup(2, "жёлтый", "ромб"), ShapeGroup(1, "синий", "круг")), "row", 0)
    (codes,) = Engine(networks, TUNED, seed=0).encode(["scene"], [to_pixels(paint_scene(scene), networks.side)])
    return codes


def test_a_part_of_a_picture_is_described_and_only_with_a_picture(networks: Networks) -> None:
    codes, engine = scene_codes(networks), Engine(networks, TUNED, seed=0)
    left, right = ("Опиши только то, что слева.",), ("Опиши только фигуры справа.",)
    said = engine.answer([Query("0", left, codes), Query("1", right, codes), Query("2", left)])
    assert [each.text for each in said[:2]] == ["два жёлтых ромба", "синий круг"]
    plain = Engine(networks, replace(TUNED, rephrasings=()), seed=0)
    assert said[2:] == plain.answer([Query("2", left)])
    alone = [engine.answer([Query(str(row), texts, codes)])[0] for row, texts in enumerate((left, right))]
    assert alone == said[:2]


def test_who_says_nothing_to_other_words_is_asked_as_it_stands(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[tuple[str, ...]]] = []
    written = {"0": "сад", "1": "17", "2": EMPTY_ANSWER}

    def said(engine: Engine, queries: list[Query]) -> list[str]:
        asked.append([query.texts for query in queries])
        return [written[query.id] if query.texts == (WHAT_IS_WRITTEN,) else "три" for query in queries]

    monkeypatch.setattr(Engine, "_said", said)
    question, codes = ("Сколько букв в слове?",), torch.zeros(networks.rudolph.config.image_seq_length).long()
    answers = Engine(networks, TUNED, seed=0).answer([Query(key, question, codes) for key in written])
    assert [answer.text for answer in answers] == ["3", "три", "три"]
    assert asked == [[(WHAT_IS_WRITTEN,)] * 3, [question] * 2]
