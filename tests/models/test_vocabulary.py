"""Texts to RUDOLPH's ids and back: the published layout of ids, fixed lengths, templates, what decoding drops."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bpe import BPE
from models.rudolph import SIZES, Config
from models.rudolph.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocabulary

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
INFERENCE = json.loads((GOLDEN / "inference_golden.json").read_text())
CONFIG = Config(**json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"])  # L 16, R 12, BPE 256
SMALL = Vocabulary(BPE(GOLDEN / "bpe_small_256.model"), CONFIG)
LT_UNK, RT_UNK = 256, 257


class Letters:
    """A stand-in tokenizer of 20 ids: one piece per letter a..p, from id 4 on."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") + 4 for letter in text]

    def decode(self, ids: Sequence[int], ignore: Sequence[int] = ()) -> str:
        return "".join(chr(index - 4 + ord("a")) for index in ids if index not in ignore)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<LT_UNK>", 16384),
        ("<RT_UNK>", 16385),
        ("<LT_T2I>", 16386),
        ("<LT_I2T>", 16387),
        ("<LT_T2T>", 16388),
        ("<RT_I2T>", 16389),
        ("<LT_TQA>", 16390),
        ("<RT_TQA>", 16391),
        ("<LT_MQA>", 16392),
        ("<RT_MQA>", 16393),
        ("<LT_VQA>", 16394),
        ("<RT_VQA>", 16395),
        ("<LT_CAP>", 16396),
        ("<RT_CAP>", 16397),
        ("<LT_GEN>", 16398),
        ("<LT_REC>", 16399),
        ("<RT_REC>", 16400),
    ],
)
@pytest.mark.parametrize("size", ["350M", "1.3B", "2.7B", "2.7B-FBC2"])
def test_special_ids_of_every_published_size(size: str, name: str, expected: int) -> None:
    assert Vocabulary(Letters(), SIZES[size]).special[name] == expected


def test_special_ids_of_the_small_model() -> None:
    assert SMALL.special == INFERENCE["spc_tokens"]
    assert tuple(SMALL.special) == SPECIAL_TOKENS


@pytest.mark.parametrize("row", range(8))
def test_left_texts_of_the_challenge_sample_as_published(row: int) -> None:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        expected = arrays["e2e/left_text_ids"][row]
    assert SMALL.encode_left(INFERENCE["create_dataset"][row]["left_text"]).tolist() == expected.tolist()


LETTERS = Vocabulary(Letters(), CONFIG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [BOS, RT_UNK, EOS] + [PAD] * 9),
        (" AB ", [BOS, RT_UNK, 4, 5, EOS] + [PAD] * 7),  # lower-cased and stripped
        ("a" * 9, [BOS, RT_UNK] + [4] * 9 + [EOS]),  # just fits
        ("a" * 10, [BOS, RT_UNK] + [4] * 10),  # too long: cut, the EOS is lost
        ("a" * 50, [BOS, RT_UNK] + [4] * 10),
    ],
)
def test_right_text_is_padded_or_cut_to_its_length(text: str, expected: list[int]) -> None:
    ids = LETTERS.encode_right(text)
    assert ids.tolist() == expected
    assert ids.dtype == torch.int64


def test_left_capacity_is_what_fits_before_the_eos_is_lost() -> None:
    assert LETTERS.left_capacity == 13
    assert LETTERS.encode_left("a" * 13)[-1] == EOS
    assert LETTERS.encode_left("a" * 14)[-1] == 4


@pytest.mark.parametrize(
    ("text", "special", "expected"),
    [
        ("", "<RT_UNK>", [BOS, 257]),
        (" BA ", "<RT_CAP>", [BOS, 269, 5, 4]),
        ("a" * 50, "<RT_UNK>", [BOS, 257] + [4] * 10),
    ],
)
def test_template_has_no_eos(text: str, special: str, expected: list[int]) -> None:
    assert LETTERS.right_template(text, special) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([4, 5, 6], "abc"),
        ([4, EOS, 5], "a"),  # cut at the first EOS
        ([EOS, 4], ""),
        ([], ""),
        ([PAD, 4, UNK, BOS, 5, -1], "ab"),  # never part of a text
        ([LT_UNK, 4, 272, 5], "ab"),  # the first and the last special token
    ],
)
def test_decoding_drops_what_is_no_piece(ids: list[int], expected: str) -> None:
    assert LETTERS.decode(ids) == expected


@pytest.mark.parametrize("row", range(8))
def test_answers_of_the_challenge_sample_as_published(row: int) -> None:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        ids = [RT_UNK, *arrays["e2e/right_samples"][row].tolist()]
    assert SMALL.decode(ids) == INFERENCE["e2e"]["texts"][row]


@pytest.mark.parametrize("stray", [273, 287, 288, 303])  # unnamed special tokens, then left padding ids
def test_an_id_without_a_meaning_is_an_error_as_published(stray: int) -> None:
    with pytest.raises(ValueError, match=str(stray)):
        SMALL.decode([76, stray, 13])
    assert SMALL.decode([76, EOS, stray]) == SMALL.decode([76])  # behind the end nothing is read


@settings(deadline=None)
@given(st.lists(st.sampled_from(["кошка", "дом", "на", "стоит", "123", "?"]), max_size=3).map(" ".join))
def test_a_text_that_fits_comes_back(text: str) -> None:
    ids = SMALL.encode_left(text).tolist()
    assert len(ids) == CONFIG.l_text_seq_length
    if EOS in ids:
        assert SMALL.decode(ids) == text
