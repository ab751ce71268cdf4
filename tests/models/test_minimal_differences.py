"""The smallest cases in which the published code once did otherwise than ours."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.rudolph import Rudolph, abilities, ranking
from models.rudolph.abilities import generate_captions
from models.rudolph.ranking import rank_images
from models.rudolph.sampling import Sampling
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
CASES = {case["id"]: case for case in json.loads((GOLDEN / "minimal_differences.json").read_text("utf-8"))}


class Pieces:
    """A stand-in tokenizer: the pieces of the lower-case word, and those of unknown capital letters."""

    def encode(self, text: str) -> list[int]:
        return {"": [], "кот": [139, 7], "КОТ": [4, 1]}[text]

    def decode(self, ids: Any, ignore: Any = ()) -> str:
        return " ".join(map(str, ids))


def test_a_vocabulary_without_special_tokens_begins_with_bos_alone(golden_rudolph: Rudolph) -> None:
    config = replace(golden_rudolph.config, text_special_tokens=0, l_text_seq_length=10)
    vocabulary = Vocabulary(Pieces(), config)
    assert vocabulary.encode_left("кот", "<LT_T2I>").tolist() == CASES["M1"]["theirs"]
    assert vocabulary.right_template("кот") == [2, 139, 7]
    assert vocabulary.left_capacity == 8
    with pytest.raises(KeyError):
        vocabulary.encode_left("кот", "<NONE>")


def test_the_left_text_of_captions_and_ranking_keeps_its_case(
    golden_rudolph: Rudolph, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = Vocabulary(Pieces(), golden_rudolph.config)
    special, codes = vocabulary.special["<LT_I2T>"], torch.zeros(36, dtype=torch.int64)
    expected = [special if token == "<LT_I2T>" else token for token in CASES["M2"]["theirs_left_ids"]]
    seen: list[list[int]] = []

    def drawing(model: Any, left: Any, *rest: Any, **options: Any) -> list[list[int]]:
        seen.append(left[0].tolist())
        return [[] for _ in left]

    def measuring(model: Any, measures: Any, ids: Any, batch: int) -> list[Any]:
        seen.append(ids[0].tolist())
        return [torch.ones(len(ids)), torch.ones(len(ids))]

    monkeypatch.setattr(abilities, "answer", drawing)
    monkeypatch.setattr(ranking, "_in_batches", measuring)
    generate_captions(golden_rudolph, vocabulary, codes, 1, left_text="КОТ")
    rank_images(golden_rudolph, vocabulary, "кот", codes[None], left_text="КОТ")
    assert [ids[: len(expected)] for ids in seen] == [expected, expected]


def test_a_caption_template_that_fills_its_length_leaves_one_id_to_draw(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = golden_rudolph.config.r_text_seq_length
    text = CASES["M3"]["right_template"] * 3
    whole = golden_vocabulary.right_template(text, "<RT_I2T>")
    assert len(whole) == length
    seen: list[tuple[list[int], int]] = []

    def drawing(model: Any, left: Any, codes: Any, template: Any, sampling: Any, numbers: Any, **more: Any) -> Any:
        seen.append((template, numbers.shape[-1]))
        return [[] for _ in left]

    monkeypatch.setattr(abilities, "answer", drawing)
    codes = torch.zeros(36, dtype=torch.int64)
    sampling = Sampling(temperature=1.0, top_k=1, top_p=1.0)
    generate_captions(golden_rudolph, golden_vocabulary, codes, 1, right_template=text, sampling=sampling)
    assert seen == [(whole[:-1], 1)]


def test_attention_of_the_decoder_counts_up_from_the_floor() -> None:
    with torch.device("meta"):
        network = VQGAN(**CASES["M4"]["config"])
    with_attention = {name.split(".attn")[0] for name in network.state_dict() if ".attn." in name}
    assert any(name.endswith("encoder.down.0") for name in with_attention)
    assert not any("decoder.up" in name for name in with_attention)
