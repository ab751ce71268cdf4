"""The family's abilities beyond the contest: the published API's greedy calls, and what holds for any draw."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.abilities import caption_image, generate_captions, generate_codebooks
from models.rudolph.left_text import LeftTextError, continue_left, generate_texts
from models.rudolph.ranking import rank_texts
from models.rudolph.sampling import Sampling
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import BOS, EOS, Vocabulary
from tests.models.recorded import StandInRecorder

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
GREEDY = Sampling(temperature=1.0, top_k=1, top_p=1.0)
FREE = -1


def api_calls(name: str) -> list[dict[str, Any]]:
    calls = json.loads((GOLDEN / "inference_golden.json").read_text())["api_calls"]
    return [call for call in calls if call["name"] == name]


@pytest.fixture(scope="module")
def prompt_codes() -> Tensor:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        return torch.from_numpy(arrays["rudolph_api/image_prompts"])[0]  # [I]


def test_pictures_of_a_text_as_published(golden_rudolph: Rudolph, golden_vocabulary: Vocabulary) -> None:
    (call,) = api_calls("ru-dolph generate_codebooks")
    codes = generate_codebooks(golden_rudolph, golden_vocabulary, "зелёный поезд", 3, sampling=GREEDY, batch=2)
    assert codes.tolist() == call["result"]


@pytest.mark.parametrize(("call", "kept"), [(0, [0, 1, 2, 3, 4, 5]), (1, [1, 2, 7])])
def test_pictures_around_given_codes_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, prompt_codes: Tensor, call: int, kept: Sequence[int]
) -> None:
    prompt = torch.full_like(prompt_codes, FREE)
    prompt[kept] = prompt_codes[kept]
    codes = generate_codebooks(golden_rudolph, golden_vocabulary, "зелёный поезд", 2, prompt=prompt, sampling=GREEDY)
    assert codes.tolist() == api_calls("ru-dolph generate_codebooks image_prompts")[call]["result"]
    assert codes[0, kept].tolist() == prompt_codes[kept].tolist()


@pytest.mark.parametrize(
    ("call", "drafts", "asked"),
    [(0, 3, {"right_template": "на картинке"}), (1, 1, {"left_text": "кошка", "early_stop": 6})],
)
def test_captions_as_published(
    golden_rudolph: Rudolph,
    golden_vocabulary: Vocabulary,
    golden_picture: Tensor,
    call: int,
    drafts: int,
    asked: dict[str, Any],
) -> None:
    texts, counts = api_calls("ru-dolph generate_captions")[call]["result"]
    found = generate_captions(
        golden_rudolph, golden_vocabulary, golden_picture, drafts, sampling=GREEDY, batch=2, **asked
    )
    assert found == dict(zip(texts, counts, strict=True))


def test_replayed_steps_give_the_same_captions(
    monkeypatch: pytest.MonkeyPatch,
    golden_rudolph: Rudolph,
    golden_vocabulary: Vocabulary,
    golden_picture: Tensor,
) -> None:
    monkeypatch.setattr("models.rudolph.step_graphs.LEAST_CALLS", 1)
    monkeypatch.setattr("models.rudolph.step_graphs.WARM_UP_CALLS", 1)
    graphs, given = StepGraphs(StandInRecorder()), (golden_rudolph, golden_vocabulary, golden_picture, 6)
    expected = generate_captions(*given, seed=5, batch=3)
    assert generate_captions(*given, seed=5, batch=3, graphs=graphs) == expected
    assert graphs.captured >= 2
    assert graphs.replayed > graphs.captured


@pytest.mark.parametrize(
    ("name", "template", "drafts", "asked"),
    [
        # the contest's code: BOS only, and the call allows pieces alone
        ("generate_texts", "красный", 3, {"special": None, "pieces_only": True}),
        ("ru-dolph generate_texts", "кошка", 2, {"special": "<LT_T2T>"}),  # the family's: BOS and a special token
    ],
)
def test_texts_as_published(
    golden_rudolph: Rudolph,
    golden_vocabulary: Vocabulary,
    name: str,
    template: str,
    drafts: int,
    asked: dict[str, Any],
) -> None:
    ((expected,),) = [call["result"] for call in api_calls(name)]
    (found,) = generate_texts(golden_rudolph, golden_vocabulary, template, drafts, sampling=GREEDY, batch=2, **asked)
    assert (found.text, found.count) == (expected["text"], expected["count"])
    assert found.perplexity == pytest.approx(expected["ppl_txt"], rel=1e-4)


@pytest.fixture(scope="module")
def golden_codes() -> Tensor:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        return torch.from_numpy(arrays["rudolph_api/codebooks"])[0]  # [I]


@pytest.mark.parametrize(
    ("left_text", "caption"),
    [
        ("кошка", "вычислитетовый"),
        ("дом", "воныйшина"),
        ("поезд", "между над"),
        ("море", "между надшинанотовый 3шинанжд"),  # no special token wins here
    ],
)
def test_a_special_token_ends_a_caption_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_codes: Tensor, left_text: str, caption: str
) -> None:
    """By the full forward pass: the best of pieces and special tokens, again and again; a special one counts as EOS."""
    found = generate_captions(golden_rudolph, golden_vocabulary, golden_codes, 1, left_text=left_text, sampling=GREEDY)
    assert found == {caption: 1}


@pytest.mark.parametrize(
    ("pieces_only", "text"),
    [(False, "поездшина вычислите"), (True, "поездшина вычислитешина кшина кшина кшина кшина к")],
)
def test_a_special_token_ends_a_text_as_published(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, pieces_only: bool, text: str
) -> None:
    asked: dict[str, Any] = {"sampling": GREEDY, "pieces_only": pieces_only}
    assert [found.text for found in generate_texts(golden_rudolph, golden_vocabulary, "поезд", 1, **asked)] == [text]


def test_left_texts_with_a_template_as_published(golden_vocabulary: Vocabulary) -> None:
    """The published call had no room for a single token, as padding filled up its shortest text."""
    (call,) = api_calls("generate_tokens_left")
    records = json.loads((GOLDEN / "inference_golden.json").read_text())["create_dataset"]
    template = [BOS, *golden_vocabulary.pieces(call["template"])]
    for row, expected in zip(call["left_rows"], call["result"], strict=True):
        text = golden_vocabulary.pieces(records[row]["left_text"])
        assert golden_vocabulary.decode([*golden_vocabulary.beginning("<LT_UNK>"), *text, *template]) == expected


def test_cached_continuation_equals_uncached(golden_rudolph: Rudolph, golden_vocabulary: Vocabulary) -> None:
    beginning = torch.tensor([[BOS, 260, 12, 13], [BOS, 260, 44, 161]])
    drawn = continue_left(golden_rudolph, beginning, GREEDY, torch.zeros(2, 12), pieces_only=True)
    for row, ids in zip(beginning, drawn, strict=True):
        sequence = row.tolist()
        while len(sequence) < 16:
            scores = golden_rudolph(torch.tensor([sequence]))[0, -1, : golden_rudolph.config.bpe_vocab]
            sequence.append(int(scores.argmax()))
        assert [*row.tolist(), *ids] == sequence


def test_a_left_text_ends_with_its_eos(golden_rudolph: Rudolph) -> None:
    model = copy.deepcopy(golden_rudolph)
    with torch.no_grad():
        model.to_logits[1].bias[EOS] += 40
    assert continue_left(model, torch.tensor([[BOS, 12]]), GREEDY, torch.zeros(1, 14)) == [[]]


def test_a_beginning_longer_than_the_left_text_is_an_error(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary
) -> None:
    with pytest.raises(LeftTextError, match="left text of 16"):
        generate_texts(golden_rudolph, golden_vocabulary, "красный дом стоит на горе и кошка бежит", 1)
    with pytest.raises(LeftTextError, match="2 ids and 15 more"):
        continue_left(golden_rudolph, torch.tensor([[BOS, 12]]), GREEDY, torch.zeros(1, 15))


WARM = Sampling(temperature=1.0, top_k=8, top_p=0.95)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_what_is_drawn_depends_on_the_seed_and_not_on_the_batch(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor, batch: int
) -> None:
    def run(seed: int, size: int) -> tuple[list[list[int]], dict[str, int], list[tuple[str, int]]]:
        asked: dict[str, Any] = {"sampling": WARM, "seed": seed, "batch": size}
        return (
            generate_codebooks(golden_rudolph, golden_vocabulary, "дом", 4, **asked).tolist(),
            generate_captions(golden_rudolph, golden_vocabulary, golden_picture, 4, **asked),
            [(text.text, text.count) for text in generate_texts(golden_rudolph, golden_vocabulary, "дом", 4, **asked)],
        )

    first = run(1, 4)
    assert run(1, batch) == first
    assert all(a != b for a, b in zip(run(2, batch), first, strict=True))


def test_no_picture_is_an_error(golden_rudolph: Rudolph, golden_vocabulary: Vocabulary) -> None:
    with pytest.raises(ValueError, match="at least one"):
        generate_codebooks(golden_rudolph, golden_vocabulary, "дом", 0)


def test_captions_of_a_picture_best_first_with_their_scores_shared_by_repeats(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor
) -> None:
    asked: dict[str, Any] = {"sampling": Sampling(top_k=2), "right_template": "на картинке", "early_stop": 8}
    counts = generate_captions(golden_rudolph, golden_vocabulary, golden_picture, 12, **asked)
    captions = caption_image(golden_rudolph, golden_vocabulary, golden_picture, 12, drafts=12, **asked)
    assert {caption.text: caption.count for caption in captions} == counts
    assert max(counts.values()) > 1
    ranking = rank_texts(golden_rudolph, golden_vocabulary, list(counts), golden_picture)
    expected = dict(zip(counts, ranking.scores.tolist(), strict=True))
    for caption in captions:
        assert caption.text.startswith("на картинке")
        assert caption.score == pytest.approx(expected[caption.text] / caption.count, rel=1e-4, abs=1e-6)
    assert [caption.score for caption in captions] == sorted(caption.score for caption in captions)
    best = caption_image(golden_rudolph, golden_vocabulary, golden_picture, 1, drafts=12, **asked)
    assert best == captions[:1]


def test_no_caption_but_the_empty_one_is_no_caption(
    golden_rudolph: Rudolph, golden_vocabulary: Vocabulary, golden_picture: Tensor
) -> None:
    model = copy.deepcopy(golden_rudolph)
    with torch.no_grad():
        model.to_logits[1].bias[EOS] += 40
    assert generate_captions(model, golden_vocabulary, golden_picture, 3) == {}
    assert caption_image(model, golden_vocabulary, golden_picture, right_template="", drafts=3) == []
