"""Answering and drawing: the published calls exactly, and the laws of batches, stops, prompts and precisions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.bpe import BPE
from models.rudolph import Config, Rudolph, decoding
from models.rudolph.best_of_n import best_of_n_uniforms
from models.rudolph.caches import DenseCache
from models.rudolph.decoding import NonFiniteLogitsError, answer, generate_image, several_answers
from models.rudolph.sampling import Sampling, count_not_finite, uniforms
from models.rudolph.vocabulary import BOS, EOS, Vocabulary

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
FACTS = json.loads((GOLDEN / "inference_golden.json").read_text())
ARRAYS = np.load(GOLDEN / "inference_golden.npz")
GREEDY = Sampling(top_k=1)
FREE = Sampling(temperature=1.5, top_k=60, top_p=0.95)
PLAIN = [BOS, FACTS["spc_tokens"]["<RT_UNK>"]]
LEFT, CODES = torch.from_numpy(ARRAYS["e2e/left_text_ids"]), torch.from_numpy(ARRAYS["e2e/image_tokens"])
R, IMAGE, PADS = 12, 36, 288  # right text, image, first id of the left padding


@pytest.fixture
def model() -> Rudolph:
    model = Rudolph(Config(**json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"])).eval()
    with np.load(GOLDEN / "rudolph_state.npz") as state:
        tensors = {name: torch.from_numpy(state[name]) for name in state}
    model.load_state_dict({name: t if t.dtype == torch.bool else t.float() for name, t in tensors.items()})
    return model


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    config = Config(**json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"])
    return Vocabulary(BPE(GOLDEN / "bpe_small_256.model"), config)


def calls(name: str) -> list[dict]:
    return [call for call in FACTS["api_calls"] if call["name"] == name]


def zeros(batch: int, steps: int) -> Tensor:
    return torch.zeros(batch, steps)


def bias(model: Rudolph) -> Tensor:
    linear = model.to_logits[1]
    assert isinstance(linear, nn.Linear)
    return linear.bias.data


def free_answers(model: Rudolph, rows: list[int], **keywords: bool) -> list[list[int]]:
    numbers = uniforms(5, [str(row) for row in rows], "text", R - 2)
    return answer(model, LEFT[rows], CODES[rows], PLAIN, FREE, numbers, **keywords)


# The published inference, call by call.


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_published_answers(model: Rudolph, vocabulary: Vocabulary, batch: int) -> None:
    drawn: list[list[int]] = []
    for start in range(0, 8, batch):
        rows = slice(start, start + batch)
        numbers = zeros(len(LEFT[rows]), R - 2)
        drawn += answer(model, LEFT[rows], CODES[rows], PLAIN, GREEDY, numbers, stop_at_eos=False)
    assert drawn == ARRAYS["e2e/right_samples"].tolist()
    assert [vocabulary.decode(ids) for ids in drawn] == FACTS["e2e"]["texts"]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_published_images(model: Rudolph, batch: int) -> None:
    size, per_batch = FACTS["e2e"]["bs"], FACTS["e2e"]["generated_idxs_per_batch"]
    rows = [i * size + row for i, of_batch in enumerate(per_batch) for row in of_batch]
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        assert torch.equal(generate_image(model, LEFT[some], GREEDY, zeros(len(some), IMAGE)), CODES[some])


def test_published_images_of_a_mixed_batch(model: Rudolph) -> None:
    (call,) = calls("generate_codebooks_mixed")
    codes, drawn = call["result"]
    assert generate_image(model, LEFT[drawn], GREEDY, zeros(2, IMAGE)).tolist() == [codes[row] for row in drawn]


@pytest.mark.parametrize("call", calls("generate_tokens"), ids=lambda call: f"{call['template']}{call['allowed']}"[:30])
def test_published_answers_with_templates_and_allowed_ids(model: Rudolph, vocabulary: Vocabulary, call: dict) -> None:
    allowed: slice | Tensor | None = None  # of the golden file: all BPE pieces
    expected = call["samples"]
    if call["allowed"] is None:
        allowed = slice(None)
    elif isinstance(call["allowed"], list):
        allowed = torch.tensor(call["allowed"])
        expected = [[call["allowed"][i] for i in row] for row in expected]
    template = vocabulary.right_template(call["template"], call["special_token"])
    numbers = zeros(4, R - len(template))
    drawn = answer(model, LEFT[:4], CODES[:4], template, GREEDY, numbers, allowed=allowed, stop_at_eos=False)
    assert drawn == expected
    if isinstance(call["result"], list):
        assert [vocabulary.decode([*template, *ids]) for ids in drawn] == call["result"]


@pytest.mark.parametrize("call", calls("generate_tokens_eos"), ids=lambda call: str(call["bias_delta"]))
def test_published_answers_that_end(model: Rudolph, call: dict) -> None:
    bias(model)[EOS] += call["bias_delta"]
    for stop_at_eos in (False, True):
        drawn = answer(model, LEFT[:4], CODES[:4], PLAIN, GREEDY, zeros(4, R - 2), stop_at_eos=stop_at_eos)
        ends = [row.index(EOS) + 1 if stop_at_eos and EOS in row else R for row in call["samples"]]
        assert drawn == [row[:end] for row, end in zip(call["samples"], ends, strict=True)]


def test_published_answers_with_ids_of_the_left_padding(model: Rudolph, vocabulary: Vocabulary) -> None:
    (call,) = calls("generate_tokens_pad")
    bias(model)[call["bias_token"]] += call["bias_delta"]
    bias(model)[256:PADS] += call["special_ids_bias_delta"]
    numbers, every = zeros(4, R - 2), slice(None)
    drawn = answer(model, LEFT[:4], CODES[:4], PLAIN, GREEDY, numbers, allowed=every, stop_at_eos=False)
    assert drawn == [[EOS if token >= PADS else token for token in row] for row in call["samples"]]
    assert [vocabulary.decode(ids) for ids in drawn] == call["result"]
    stopped = answer(model, LEFT[:4], CODES[:4], PLAIN, GREEDY, numbers, allowed=every)
    assert [len(row) for row in stopped] == [9, 10, 10, 5]


@pytest.mark.parametrize(
    "call", calls("ru-dolph generate_codebooks image_prompts"), ids=lambda call: len(call["image_prompts_idx"])
)
def test_published_image_prompts(model: Rudolph, vocabulary: Vocabulary, call: dict) -> None:
    forced = call["image_prompts_idx"]
    prompt = torch.full((2, IMAGE), -1)
    prompt[:, forced] = torch.from_numpy(ARRAYS["rudolph_api/image_prompts"])[:, forced]
    left = vocabulary.encode_left(call["text"], "<LT_T2I>").expand(2, -1)
    assert generate_image(model, left, GREEDY, zeros(2, IMAGE), prompt=prompt).tolist() == call["result"]


# Laws.


def test_rows_of_a_batch_do_not_influence_each_other(model: Rudolph) -> None:
    together = free_answers(model, list(range(8)))
    for rows in ([5], [7, 0, 3]):
        assert free_answers(model, rows) == [together[row] for row in rows]
    numbers = uniforms(5, ["a", "b", "c"], "image", IMAGE)
    images = generate_image(model, LEFT[:3], FREE, numbers)
    assert torch.equal(generate_image(model, LEFT[[2, 0]], FREE, numbers[[2, 0]]), images[[2, 0]])
    assert images.dtype == torch.int64
    assert images.max() < model.config.image_vocab_size


@pytest.mark.parametrize("batch", [24, 5])
def test_answers_of_many_lengths_are_those_of_batch_1(model: Rudolph, batch: int) -> None:
    bias(model)[EOS] += 6.0
    rows = torch.arange(24)
    left, codes = LEFT[rows % 8], CODES[(rows * 3 + rows // 8) % 8]
    numbers = uniforms(11, [str(row) for row in rows.tolist()], "text", R - 2)

    def answers(size: int) -> list[list[int]]:
        parts = [rows[start : start + size] for start in range(0, 24, size)]
        return [ids for part in parts for ids in answer(model, left[part], codes[part], PLAIN, FREE, numbers[part])]

    alone = answers(1)
    assert len({len(ids) for ids in alone}) >= 7  # of at most 10 lengths
    assert answers(batch) == alone


@pytest.mark.parametrize("eos_bias", [0.0, 6.0])
def test_several_answers_are_those_that_were_asked_for_one_by_one(
    model: Rudolph, monkeypatch: pytest.MonkeyPatch, eos_bias: float
) -> None:
    bias(model)[EOS] += eos_bias
    numbers = best_of_n_uniforms(3, [str(row) for row in range(4)], "text", R - 2, range(5))  # [4, 5, R - 2]
    alone = [answer(model, LEFT[:4], CODES[:4], PLAIN, FREE, numbers[:, each]) for each in range(5)]
    prefilled: list[int] = []
    original = decoding.forward_cached

    def spy(model: Rudolph, cache: DenseCache, ids: Tensor, start: int, head: decoding.Head) -> Tensor:
        prefilled.extend([len(ids)] * (start == 0))
        return original(model, cache, ids, start, head)

    monkeypatch.setattr(decoding, "forward_cached", spy)
    together = several_answers(model, LEFT[:4], CODES[:4], PLAIN, FREE, numbers)
    assert together == [[of_number[row] for of_number in alone] for row in range(4)]
    assert prefilled == [4]  # once for all five


@pytest.mark.parametrize(
    ("texts", "prefilled"),
    [
        ([0, 0], [(1, 0), (2, 16)]),
        ([5, 1, 5, 2, 1], [(3, 0), (5, 16)]),
        ([3, 2, 1], [(3, 0)]),
        ([4], [(1, 0)]),
    ],
)
def test_a_left_text_that_rows_share_is_computed_once(
    model: Rudolph, monkeypatch: pytest.MonkeyPatch, texts: list[int], prefilled: list[tuple[int, int]]
) -> None:
    codes, numbers = CODES[: len(texts)], uniforms(2, [str(row) for row in range(len(texts))], "text", R - 2)
    left = LEFT[texts]
    alone = [
        answer(model, *(x[row : row + 1] for x in (left, codes)), PLAIN, FREE, numbers[row : row + 1])
        for row in range(len(texts))
    ]
    seen: list[tuple[int, int]] = []
    original = decoding.forward_cached

    def spy(model: Rudolph, cache: DenseCache, ids: Tensor, start: int, head: decoding.Head) -> Tensor:
        seen.append((len(ids), start))
        return original(model, cache, ids, start, head)

    monkeypatch.setattr(decoding, "forward_cached", spy)
    assert answer(model, left, codes, PLAIN, FREE, numbers) == [row for (row,) in alone]
    assert seen == prefilled


@pytest.mark.parametrize("length", [1, 2])
def test_a_left_text_of_a_single_token_can_be_shared(length: int) -> None:
    torch.manual_seed(0)
    config = Config(
        num_layers=2,
        hidden_size=16,
        num_attention_heads=2,
        vocab_size=40,
        image_vocab_size=20,
        l_text_seq_length=length,
        image_tokens_per_dim=1,
        r_text_seq_length=4,
    )
    model = Rudolph(config).eval()
    left, codes, numbers = torch.ones(3, length, dtype=torch.int64), torch.tensor([[1], [2], [3]]), torch.rand(3, 3)
    alone = [answer(model, left[:1], codes[row, None], [BOS], FREE, numbers[row, None])[0] for row in range(3)]
    assert answer(model, left, codes, [BOS], FREE, numbers) == alone


@pytest.mark.parametrize("eos_bias", [0.0, 4.0, 6.0, 8.0])
def test_stopping_only_cuts_what_comes_after_the_end(model: Rudolph, eos_bias: float) -> None:
    bias(model)[EOS] += eos_bias
    rows = list(range(8))
    whole = free_answers(model, rows, stop_at_eos=False)
    assert {len(row) for row in whole} == {R - 2}
    assert free_answers(model, rows) == [row[: row.index(EOS) + 1] if EOS in row else row for row in whole]


@pytest.mark.parametrize(
    ("eos_bias", "lengths", "batches"),
    [
        (0.0, [10] * 8, [8] * 10),
        (6.0, [3, 2, 8, 6, 2, 10, 6, 4], [8] * 5 + [4] * 4 + [1]),  # half have finished, then all but one
        (8.0, [3, 2, 4, 2, 2, 2, 1, 3], [8] * 5),  # all have finished
    ],
)
def test_finished_rows_leave_the_batch(
    model: Rudolph, monkeypatch: pytest.MonkeyPatch, eos_bias: float, lengths: list[int], batches: list[int]
) -> None:
    seen: list[int] = []
    bias(model)[EOS] += eos_bias

    def spied(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def spy(model: Rudolph, cache: DenseCache, ids: Tensor, start: Any, head: decoding.Head) -> Tensor:
            seen.append(len(ids))
            return original(model, cache, ids, start, head)

        return spy

    for name in ("forward_cached", "forward_at"):
        monkeypatch.setattr(decoding, name, spied(getattr(decoding, name)))
    assert [len(row) for row in free_answers(model, list(range(8)))] == lengths
    assert seen == batches


def test_fewer_steps_are_a_prefix_and_a_full_template_leaves_nothing_to_draw(model: Rudolph) -> None:
    whole = answer(model, LEFT, CODES, PLAIN, GREEDY, zeros(8, R - 2), stop_at_eos=False)
    short = answer(model, LEFT, CODES, PLAIN, GREEDY, zeros(8, 3), stop_at_eos=False)
    assert short == [row[:3] for row in whole]
    assert answer(model, LEFT[:2], CODES[:2], [*PLAIN, *whole[0]], GREEDY, zeros(2, 0)) == [[], []]


def test_template_ids_count_like_drawn_ones(model: Rudolph) -> None:
    whole = answer(model, LEFT[:1], CODES[:1], PLAIN, GREEDY, zeros(1, R - 2), stop_at_eos=False)[0]
    rest = answer(model, LEFT[:1], CODES[:1], [*PLAIN, *whole[:4]], GREEDY, zeros(1, R - 6), stop_at_eos=False)
    assert rest == [whole[4:]]


def test_a_prompt_that_repeats_the_drawn_codes_changes_nothing(model: Rudolph) -> None:
    numbers = uniforms(1, ["a", "b"], "image", IMAGE)
    drawn = generate_image(model, LEFT[:2], FREE, numbers)
    prompt = torch.where(torch.arange(IMAGE) % 3 == 0, drawn, -1)
    assert torch.equal(generate_image(model, LEFT[:2], FREE, numbers, prompt=prompt), drawn)
    assert torch.equal(generate_image(model, LEFT[:2], FREE, numbers, prompt=drawn), drawn)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_and_mostly_agrees(model: Rudolph, dtype: torch.dtype) -> None:
    expected = torch.tensor(answer(model, LEFT, CODES, PLAIN, GREEDY, zeros(8, 3), stop_at_eos=False))
    images = generate_image(model, LEFT[:3], GREEDY, zeros(3, IMAGE))
    half = model.to(dtype)
    drawn = torch.tensor(answer(half, LEFT, CODES, PLAIN, GREEDY, zeros(8, 3), stop_at_eos=False))
    assert (drawn == expected).float().mean() > 0.6
    assert (generate_image(half, LEFT[:3], GREEDY, zeros(3, IMAGE))[:, :3] == images[:, :3]).float().mean() > 0.6


def test_overflow_names_the_rows(model: Rudolph) -> None:
    model.half()
    model.text_embeddings.weight.data[7] = float("inf")
    left = LEFT[:3].clone()
    left[1, 4] = 7
    with pytest.raises(NonFiniteLogitsError, match=r"torch.float16 were not finite for rows \[1\]") as error:
        answer(model, left, CODES[:3], PLAIN, FREE, zeros(3, R - 2))
    assert (error.value.rows, error.value.values) == ((1,), 256 * (R - 2))  # every logit of a row with an infinity
    with pytest.raises(NonFiniteLogitsError) as of_several:
        several_answers(model, left, CODES[:3], PLAIN, FREE, torch.zeros(3, 2, R - 2))
    assert (of_several.value.rows, of_several.value.values) == ((1,), 2 * 256 * (R - 2))
    with pytest.raises(NonFiniteLogitsError):
        generate_image(model, left, FREE, zeros(3, IMAGE))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_that_overflow_are_counted(model: Rudolph, dtype: torch.dtype) -> None:
    norm, linear = model.to_logits[0], model.to_logits[1]
    assert isinstance(norm, nn.LayerNorm)
    assert isinstance(linear, nn.Linear)
    norm.weight.data[0], norm.bias.data[0] = 0.0, 1000.0  # the first of what the head reads
    codes = model.config.text_vocab
    linear.weight.data[[10, 20, 30, codes + 5, codes + 6], 0] = 100.0  # 100,000 exceeds float16's 65,504
    model.to(dtype)

    def run() -> None:
        answer(model, LEFT[:2], CODES[:2], PLAIN, GREEDY, zeros(2, R - 2))

    if dtype == torch.bfloat16:
        return run()
    with pytest.raises(NonFiniteLogitsError, match=r"60 logits in torch.float16 were not finite for rows \[0, 1\]"):
        run()  # three a step
    with pytest.raises(NonFiniteLogitsError) as error:
        generate_image(model, LEFT[:3], GREEDY, zeros(3, IMAGE))
    assert (error.value.rows, error.value.values) == ((0, 1, 2), 3 * IMAGE * 2)
    return None


def test_infinities_of_either_sign_and_undefined_logits_count() -> None:
    logits = torch.tensor([[0.0, 65504.0, -1.0], [torch.inf, 1.0, -torch.inf], [torch.nan, 1.0, 2.0]]).half()
    assert count_not_finite(logits).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"left_ids": LEFT[:, :15]}, r"left_ids must have shape \[8, 16\], not \[8, 15\]"),
        ({"left_ids": LEFT[:3]}, r"left_ids must have shape \[8, 16\], not \[3, 16\]"),
        ({"codes": CODES[:, 1:]}, r"codes must have shape \[8, 36\], not \[8, 35\]"),
        ({"template": [2] * 9}, "9 template ids and 10 steps exceed R = 12"),
    ],
)
def test_answers_refuse_wrong_shapes(model: Rudolph, change: dict, complaint: str) -> None:
    right = {"left_ids": LEFT, "codes": CODES, "template": PLAIN, "sampling": GREEDY, "uniforms": zeros(8, 10)}
    with pytest.raises(ValueError, match=complaint):
        answer(model, **{**right, **change})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"uniforms": zeros(8, 35)}, r"uniforms must have shape \[8, 36\]"),
        ({"left_ids": LEFT[:3]}, r"left_ids must have shape \[8, 16\]"),
        ({"prompt": torch.full((1, 36), -1)}, r"prompt must have shape \[8, 36\]"),
        ({"prompt": torch.full((8, 36), 128)}, r"prompt codes must lie in \[0, 128\)"),
        ({"prompt": torch.full((8, 36), -2)}, "or be -1"),
    ],
)
def test_drawing_refuses_wrong_shapes_and_codes(model: Rudolph, change: dict, complaint: str) -> None:
    right = {"left_ids": LEFT, "sampling": GREEDY, "uniforms": zeros(8, IMAGE)}
    with pytest.raises(ValueError, match=complaint):
        generate_image(model, **{**right, **change})


def test_a_model_in_training_mode_is_refused(model: Rudolph) -> None:
    with pytest.raises(ValueError, match=r"call model.eval\(\)"):
        generate_image(model.train(), LEFT, GREEDY, zeros(8, IMAGE))
