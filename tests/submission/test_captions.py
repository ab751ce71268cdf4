"""Several captions of a picture, and the best of all: which samples ask for them, and which is kept."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from errors import UserError
from models.ruclip import RuCLIP
from models.rudolph.likelihood import log_likelihoods
from models.rudolph.ranking import rank_texts
from models.rudolph.vocabulary import EOS
from submission.captioning import more_captions
from submission.captions import (
    CaptionChoice,
    CaptionScore,
    DrawnCaptions,
    asks_for_caption,
    best_of,
    consensus,
    rounds_of_captions,
)
from submission.engine import Engine, Query
from submission.loading import load_networks
from submission.profiles import BASELINE, TUNED, greedy
from submission.prompts import left_ids
from submission.settings import RunSettings

BUNDLED = Path(__file__).parents[2] / "weights"


@pytest.mark.parametrize(
    "texts",
    [
        ["Опиши изображение."],
        ["Что представлено на картинке?"],
        ["Дай описание изображения."],
        ["Опиши, что ты видишь на фотографии."],
        ["Придумай описание к этому изображению."],
        ["Расскажи, что показано на снимке."],
        ["Подпиши картинку."],
        ["Составьте краткую подпись к фотографии."],
        ["Посмотри на картинку и опиши её."],
        ["Внимательно рассмотри фото.", "Что на картинке?"],
        ["опишите кратко изображение, пожалуйста!"],
        ["Подпись к картинке:"],
        ["Что происходит?"],
    ],
)
def test_who_asks_for_a_caption(texts: list[str]) -> None:
    assert asks_for_caption(texts)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["Опиши только то, что слева."],
        ["Что изображено на картинке слева?"],
        ["Опиши картинку. Какого цвета круг?"],
        ["Опиши картинку.", "а) круг; б) ромб"],
        ["Что написано на картинке?"],
        ["Прочитай надпись."],
        ["Сколько кругов на картинке?"],
        ["Какое описание подходит к картинке?"],
        ["Создай изображение по описанию."],
        ["Посмотри на изображение и ответь.", "Кто это?"],
        ["Посмотри на картинку."],
        ["Роман описал картинку.", "Что сделал Роман?"],
        ["Опиши изображение. " * 40],
    ],
)
def test_who_asks_for_something_else(texts: list[str]) -> None:
    assert not asks_for_caption(texts)


@pytest.mark.parametrize(
    ("said", "best"),
    [
        ({"кот": 1}, "кот"),
        ({"кот": 1, "пёс": 1}, "кот"),  # of two each is as much like the other
        ({"кот": 1, "пёс": 2}, "пёс"),
        ({"пёс у дома": 1, "кот на окне": 1, "кот у окна": 1, "рыжий кот на окне": 1}, "кот на окне"),
        ({"круг над ромбом": 2, "ромб над кругом": 2, "ромб над кругом на фоне": 1}, "ромб над кругом"),
        ({"": 9, "кот": 1}, "кот"),
        ({"КОТ!": 1, "кот": 1, "пёс": 1}, "КОТ!"),  # the same words: the first of them
        ({"...": 1, "кот": 1, "кот и пёс": 1}, "кот"),  # no words at all
    ],
)
def test_consensus_is_what_is_most_like_all_others(said: dict[str, int], best: str) -> None:
    assert consensus(said) == best


def test_no_consensus_without_texts() -> None:
    with pytest.raises(ValueError, match="no caption"):
        consensus({"": 3})


@pytest.mark.parametrize(
    ("scores", "best"), [([1, 2, 2], "b"), ([float("nan"), -9, -9], "b"), ([float("nan")] * 3, "a"), ([0, 0, 0], "a")]
)
def test_the_best_score_wins(scores: list[float], best: str) -> None:
    assert best_of("abc", scores) == best


@pytest.mark.parametrize(
    ("asked", "stops"), [(1, [2]), (8, [9]), (9, [9, 10]), (16, [9, 17]), (64, [*range(9, 66, 8)])]
)
def test_captions_come_in_rounds(asked: int, stops: list[int]) -> None:
    assert rounds_of_captions(asked) == stops


def test_what_is_compared_again() -> None:
    before = DrawnCaptions("пёс", {"кот": 2, "пёс": 1, "": 1})
    after = before.with_more(["кот", "ёж", "", "ёж"])
    assert after == DrawnCaptions("пёс", {"кот": 3, "пёс": 1, "": 2, "ёж": 2})
    assert after.candidates(before) == ["пёс", "ёж"]
    assert DrawnCaptions.first("ничего", "ничего").with_more(["", "ёж"]).said == {"": 2, "ёж": 1}


@pytest.mark.parametrize("wrong", [{"num_samples": 0}, {"num_samples": 65}, {"score": "taste"}])
def test_a_choice_that_there_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CaptionChoice(**wrong)


def test_no_profile_draws_several_captions_and_greedy_none_at_all() -> None:
    assert (TUNED.captions, BASELINE.captions) == (None, None)
    assert greedy(replace(TUNED, captions=CaptionChoice())).captions is None


def test_ruclip_is_needed_where_captions_are_compared_by_it(tmp_path: Path) -> None:
    profile = replace(TUNED, captions=CaptionChoice(score="ruclip"))
    cpu = torch.device("cpu")
    with pytest.raises(UserError, match="ruCLIP"):
        RunSettings(tmp_path, tmp_path, tmp_path, profile, 0, cpu, torch.float32)
    assert RunSettings(tmp_path, tmp_path, tmp_path, profile, 0, cpu, torch.float32, ruclip=tmp_path).ruclip


@pytest.fixture(scope="module")
def engine(weights: Path) -> Engine:
    return Engine(load_networks(weights, torch.device("cpu"), torch.float32, BUNDLED / "ruclip"), TUNED, seed=0)


QUERIES = [Query(f"{row}", ("Опиши изображение.",), torch.arange(row, row + 36) % 16) for row in range(3)]


def said_by(engine: Engine, choice: CaptionChoice, stops: Sequence[int], batch: int) -> list[DrawnCaptions]:
    drawn = [DrawnCaptions.first(each.text, TUNED.empty_answer) for each in engine.answer(QUERIES)]
    for start, stop in itertools.pairwise((1, *stops)):
        parts = [slice(first, first + batch) for first in range(0, len(QUERIES), batch)]
        drawn = [
            each
            for part in parts
            for each in more_captions(engine, choice, QUERIES[part], drawn[part], range(start, stop))
        ]
    return drawn


def test_captions_are_a_function_of_how_many_there_were(engine: Engine) -> None:
    """Whatever the batch, and in how many rounds they came."""
    choice = CaptionChoice()
    whole = said_by(engine, choice, [6], 3)
    assert [sum(each.said.values()) for each in whole] == [6, 6, 6]
    assert any(len(each.said) > 2 for each in whole)
    assert [list(each.said.items()) for each in said_by(engine, choice, [2, 6], 2)] == [
        list(each.said.items()) for each in whole
    ]
    for score in ("consensus", "likelihood", "picture", "ruclip"):
        by_score = CaptionChoice(score=score)  # type: ignore[arg-type]
        best = [each.best for each in said_by(engine, by_score, [4], 3)]
        assert best == [each.best for each in said_by(engine, by_score, [2, 4], 2)]


def test_captions_are_compared_as_the_profile_says(engine: Engine) -> None:
    drawn = said_by(engine, CaptionChoice(score="likelihood"), [6], 3)
    networks, vocabulary = engine.networks, engine.networks.vocabulary
    clip = RuCLIP.from_directory(BUNDLED / "ruclip")
    for query, each in zip(QUERIES, drawn, strict=True):
        texts, codes = [text for text in each.said if text], query.codes
        assert codes is not None
        left = left_ids(query.texts, vocabulary, True)[None]
        ids = [[*vocabulary.pieces(text), EOS][:10] for text in texts]  # what an answer has room for
        (found,) = log_likelihoods(networks.rudolph, left, codes[None], vocabulary.right_template(), [ids])
        assert each.best == texts[int(np.argmax([one.mean for one in found]))]
        ranking = rank_texts(networks.rudolph, vocabulary, texts, codes, left_special="<LT_UNK>")
        picture = clip.image_latents(clip.preprocess(Image.fromarray(engine.render([codes])[0]))[None])
        cosines = clip.text_latents(texts) @ picture[0]
        best: dict[CaptionScore, str] = {
            "picture": texts[int(ranking.image_perplexity.argmin())],
            "ruclip": texts[int(cosines.argmax())],
        }
        before = DrawnCaptions(texts[0], {texts[0]: 1})
        for score, expected in best.items():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Engine, "several_texts", lambda *arguments, rest=texts[1:]: [rest])
                (after,) = more_captions(engine, CaptionChoice(score=score), [query], [before], range(1, 9))
            assert after.best == expected
