"""Cached decoding equals the full forward pass at every position, for every kind of mask and shape of the image."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph import Config, Rudolph, decoding, named
from models.rudolph.caches import MANY_KEYS, DenseCache, attention_bias, few_query_attention, one_query_attention
from models.rudolph.compact_cache import CompactCache, SharedLeftCache, ring_slots, visible_slots
from models.rudolph.decoding import Cache, forward_cached, output_head
from models.rudolph.geometry import MASK_KINDS
from models.rudolph.loading import bfloat16_products
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.masks import image_mask
from models.rudolph.packed import packable
from models.rudolph.transformer import masked_attention
from tests.models.recorded import Dispatches

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
SAME = {"atol": 1e-5, "rtol": 0.0}


def small(**keywords: int) -> Rudolph:
    """Row, column, row, convolution, row, column, row, last convolution."""
    base = {
        "num_layers": 8,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "vocab_size": 40,
        "l_text_seq_length": 5,
        "r_text_seq_length": 6,
        "image_vocab_size": 30,
    }
    torch.manual_seed(1)
    model = Rudolph(Config(**{**base, **keywords})).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


def random_ids(model: Rudolph, batch: int) -> Tensor:
    config = model.config
    ids = torch.randint(1, 30, (batch, config.total_seq_length), generator=torch.Generator().manual_seed(2))
    ids[0, 3:5] = 0  # padding
    return ids


def stepwise(model: Rudolph, cache: Cache, ids: Tensor, first: int, stop: int) -> Tensor:
    """Logits of first - 1 .. stop - 1, `first` tokens in one call, then one by one: [batch, n, vocabulary]."""
    head = output_head(model, slice(None))
    logits = [forward_cached(model, cache, ids[:, :first], 0, head)]
    logits += [forward_cached(model, cache, ids[:, p : p + 1], p, head) for p in range(first, stop)]
    return torch.stack(logits, dim=1)


GRIDS = {
    "kernels 3 and 5": {"image_tokens_per_dim": 6, "kernel_size": 3, "last_kernel_size": 5},
    "kernels 7 and 9 on 8 x 8": {"image_tokens_per_dim": 8, "kernel_size": 7, "last_kernel_size": 9},
    "kernels wider than the image": {"image_tokens_per_dim": 4, "kernel_size": 7, "last_kernel_size": 11},
    "kernel 1": {"image_tokens_per_dim": 3, "kernel_size": 1, "last_kernel_size": 1},
    "even kernels": {"image_tokens_per_dim": 7, "kernel_size": 4, "last_kernel_size": 2},
    "one image token": {"image_tokens_per_dim": 1},
    "a column layer last": {"num_layers": 6, "image_tokens_per_dim": 5, "kernel_size": 3},
    "one layer": {"num_layers": 1, "image_tokens_per_dim": 9, "last_kernel_size": 5},
}


@pytest.mark.parametrize("grid", GRIDS)
@torch.inference_mode()
def test_compact_decoding_equals_the_full_forward_pass(grid: str) -> None:
    model = small(**GRIDS[grid])
    ids = random_ids(model, 2)
    left, prefix = model.config.l_text_seq_length, model.config.prefix_length
    cached = stepwise(model, CompactCache(model.transformer, 2), ids, left, prefix)
    torch.testing.assert_close(cached, model(ids[:, :prefix])[:, left - 1 :], **SAME)


SEQUENCE = "l_text_seq_length image_tokens_per_dim r_text_seq_length kernel_size last_kernel_size"


@pytest.mark.parametrize("size", ["350M", "1.3B", "2.7B"])
@torch.inference_mode()
def test_compact_decoding_equals_the_full_forward_pass_at_every_position_of_the_published_sizes(size: str) -> None:
    """The sequences and kernels of the published models, in a layer of each kind, narrow."""
    published = named(size)
    shape = {name: getattr(published, name) for name in SEQUENCE.split()}
    model = small(
        num_layers=5, hidden_size=16, num_attention_heads=2, vocab_size=20 + shape["l_text_seq_length"], **shape
    )
    assert model.transformer.kinds == ("row", "col", "row", "conv", "last_conv")
    ids = random_ids(model, 1).clamp(max=19)
    left, prefix = model.config.l_text_seq_length, model.config.prefix_length
    cached = stepwise(model, CompactCache(model.transformer, 1), ids, left, prefix)
    torch.testing.assert_close(cached, model(ids[:, :prefix])[:, left - 1 :], **SAME)


@pytest.mark.parametrize("grid", GRIDS)
@torch.inference_mode()
def test_draws_that_share_a_left_text_equal_the_full_forward_pass(grid: str) -> None:
    model = small(**GRIDS[grid])
    left, prefix = model.config.l_text_seq_length, model.config.prefix_length
    prompts, draws = 2, 3
    ids = random_ids(model, prompts * draws)[:, :prefix]
    ids[:, :left] = ids[::draws, :left].repeat_interleave(draws, 0)  # a prompt's draws have its left text
    cache, head = SharedLeftCache(model.transformer, prompts, draws), output_head(model, slice(None))
    logits = [forward_cached(model, cache, ids[::draws, :left], 0, head).repeat_interleave(draws, 0)]
    logits += [forward_cached(model, cache, ids[:, p : p + 1], p, head) for p in range(left, prefix)]
    torch.testing.assert_close(torch.stack(logits, dim=1), model(ids)[:, left - 1 :], **SAME)


@pytest.mark.parametrize("grid", GRIDS)
@torch.inference_mode()
def test_dense_decoding_equals_the_full_forward_pass(grid: str) -> None:
    model = small(**GRIDS[grid])
    ids = random_ids(model, 2)
    full, total = model(ids), model.config.total_seq_length
    for first in (1, model.config.l_text_seq_length, model.config.prefix_length + 2):
        cached = stepwise(model, DenseCache(model.transformer, 2, total), ids, first, total)
        torch.testing.assert_close(cached, full[:, first - 1 :], **SAME)


@torch.inference_mode()
def test_a_whole_buffer_with_its_future_hidden_equals_the_full_forward_pass() -> None:
    model = small(image_tokens_per_dim=4, kernel_size=3, r_text_seq_length=9)
    ids, total, prefix = random_ids(model, 3), model.config.total_seq_length, model.config.prefix_length
    cache = DenseCache(model.transformer, 3, total)
    head, rows = output_head(model, slice(None)), torch.tensor([0, 2])
    cached = [forward_cached(model, cache, ids[:, :prefix], 0, head)]
    cached += [forward_cached(model, cache, ids[:, p : p + 1], p, head) for p in range(prefix, total - 3)]
    torch.testing.assert_close(torch.stack(cached, dim=1), model(ids)[:, prefix - 1 : total - 3], **SAME)
    cache.keep(rows)
    cached = [forward_cached(model, cache, ids[rows, p : p + 1], p, head) for p in range(total - 3, total)]
    torch.testing.assert_close(torch.stack(cached, dim=1), model(ids)[rows, total - 3 :], **SAME)


@torch.inference_mode()
def test_several_tokens_in_the_middle_equal_the_full_forward_pass() -> None:
    model = small(image_tokens_per_dim=6, kernel_size=3)
    ids, head = random_ids(model, 2), output_head(model, slice(None))
    cache, full = DenseCache(model.transformer, 2, model.config.total_seq_length), model(ids)
    for start, stop in [(0, 3), (3, 11), (11, 40), (40, 44), (44, 47)]:
        logits = forward_cached(model, cache, ids[:, start:stop], start, head)
        torch.testing.assert_close(logits, full[:, stop - 1], **SAME)


@torch.inference_mode()
def test_published_logits_step_by_step() -> None:
    model = Rudolph(Config(**json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"])).eval()
    with np.load(GOLDEN / "rudolph_state.npz") as state:
        tensors = {name: torch.from_numpy(state[name]) for name in state}
    model.load_state_dict({name: t if t.dtype == torch.bool else t.float() for name, t in tensors.items()})
    with np.load(GOLDEN / "rudolph_golden.npz") as arrays:
        ids, expected = torch.from_numpy(arrays["input_ids"]), torch.from_numpy(arrays["cached_step_logits"])
    dense = stepwise(model, DenseCache(model.transformer, 1, 64), ids[:1], 16, 64)
    torch.testing.assert_close(dense, expected, atol=1e-4, rtol=0)
    compact = stepwise(model, CompactCache(model.transformer, 4), ids, 16, 52)
    torch.testing.assert_close(compact[:1], expected[:, :37], atol=1e-4, rtol=0)
    torch.testing.assert_close(compact, dense_of_all(model, ids), atol=1e-5, rtol=0)


def dense_of_all(model: Rudolph, ids: Tensor) -> Tensor:
    return stepwise(model, DenseCache(model.transformer, len(ids), 52), ids, 16, 52)


@pytest.mark.parametrize(
    ("name", "row", "conv", "last_conv", "col"), [("2.7B", 25, 76, 101, 24), ("1.3B", 33, 133, 166, 32)]
)
def test_rings_of_the_published_sizes(name: str, row: int, conv: int, last_conv: int, col: int) -> None:
    config = named(name)
    expected = {"row": row, "conv": conv, "last_conv": last_conv, "col": col}
    assert {kind: ring_slots(kind, config) for kind in expected} == expected  # type: ignore[arg-type]


def test_a_ring_never_exceeds_the_image() -> None:
    config = small(image_tokens_per_dim=4, kernel_size=7, last_kernel_size=11).config
    assert ring_slots("conv", config) == ring_slots("last_conv", config) == 16


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", MASK_KINDS)
def test_a_window_shows_as_many_tokens_as_the_mask_allows(grid: str, kind: str) -> None:
    config = small(**GRIDS[grid]).config
    kernel = config.last_kernel_size if kind == "last_conv" else config.kernel_size
    allowed = image_mask(kind, config.image_tokens_per_dim, kernel).sum(1)  # type: ignore[arg-type]
    assert visible_slots(kind, config).sum(1).tolist() == allowed.tolist()  # type: ignore[arg-type]


def kept_bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors)


def test_memory_of_a_2_7b_sequence_by_layer() -> None:
    with torch.device("meta"):
        transformer = Rudolph(named("2.7B")).half().transformer
    token = 2 * 2560 * 2  # bytes of one key and one value of all heads
    row, column, conv, last = 384 + 25, 384 + 24 + 24 * 24, 384 + 76, 384 + 101
    compact = CompactCache(transformer, 1)
    assert kept_bytes(compact.tensors) == token * (16 * row + 8 * column + 7 * conv + last) == 185_559_040  # 190 MB
    assert kept_bytes(DenseCache(transformer, 1, 1088).tensors) == token * 32 * 1088 == 356_515_840  # 356 MB


@pytest.mark.parametrize("draws", [1, 4, 16])
def test_draws_of_a_prompt_keep_its_left_text_once(draws: int) -> None:
    with torch.device("meta"):
        transformer = Rudolph(named("2.7B")).half().transformer
    left = 32 * 384 * 2 * 2560 * 2
    image = kept_bytes(CompactCache(transformer, 1).tensors) - left  # 59.7 MB a draw, beside 125.8 MB a prompt
    assert kept_bytes(SharedLeftCache(transformer, 3, draws).tensors) == 3 * (left + draws * image)


@torch.inference_mode()
def test_forgotten_rows_leave_the_others_as_they_were() -> None:
    model = small(image_tokens_per_dim=3, kernel_size=3)
    ids, head = random_ids(model, 5), output_head(model, slice(None))
    cache, kept = DenseCache(model.transformer, 5, model.config.total_seq_length), torch.tensor([1, 4])
    forward_cached(model, cache, ids[:, :16], 0, head)
    cache.keep(kept)
    logits = forward_cached(model, cache, ids[kept, 16:17], 16, head)
    torch.testing.assert_close(logits, model(ids[:, :17])[kept, -1], **SAME)


@pytest.mark.parametrize(("start", "new"), [(0, 6), (1, 1), (5, 2), (14, 1)])
def test_a_compact_cache_refuses_what_it_cannot_hold(start: int, new: int) -> None:
    cache = CompactCache(small(image_tokens_per_dim=3).transformer, 1)  # left text 0 .. 4, image 5 .. 13
    with pytest.raises(ValueError, match=f"not {new} at {start}"):
        cache.attention(start, new)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_attention_of_one_query_equals_the_general_one(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, n, 8, generator=generator).to(dtype) for n in (1, 9, 9))
    seen = torch.tensor([True] * 4 + [False, True] * 2 + [True])
    bias = torch.zeros(9, dtype=dtype).masked_fill(~seen, float("-inf"))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-2
    for mask, added in ((seen[None], bias), (torch.ones(1, 9, dtype=torch.bool), None)):
        expected = masked_attention(query, key, value, mask)
        torch.testing.assert_close(one_query_attention(query, key, value, added), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "queries", "elements", "is_plain"),
    [
        (torch.float32, 1, MANY_KEYS, True),
        (torch.float32, 3, MANY_KEYS, True),
        (torch.float32, 3, MANY_KEYS - 1, False),
        (torch.float32, 4, MANY_KEYS, False),
        (torch.bfloat16, 16, MANY_KEYS, True),
        (torch.bfloat16, 2, MANY_KEYS - 1, False),
        (torch.float16, 2, MANY_KEYS, False),
    ],
)
def test_attention_of_a_few_queries_equals_the_general_one(
    dtype: torch.dtype, queries: int, elements: int, is_plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, heads, keys, width = 2, 3, 20, 8
    monkeypatch.setattr("models.rudolph.caches.MANY_KEYS", rows * heads * keys * width + MANY_KEYS - elements)
    query, key, value = (
        torch.randn(rows, heads, n, width, generator=generator).to(dtype) for n in (queries, keys, keys)
    )
    seen = torch.rand(rows, 1, queries, keys, generator=generator) < 0.7
    seen[..., 0] = True
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    with Dispatches() as dispatches:
        found = few_query_attention(query, key, value, attention_bias(seen, key))
    torch.testing.assert_close(found, expected, atol=1e-6 if dtype == torch.float32 else 1e-2, rtol=0)
    assert is_plain == any("softmax" in str(operation[0]) for operation in dispatches.seen)


CACHES: dict[str, Callable[[Rudolph, int], DenseCache | CompactCache | ManyCodesCache]] = {
    "dense": lambda model, batch: DenseCache(model.transformer, batch, model.config.total_seq_length),
    "compact": lambda model, batch: CompactCache(model.transformer, batch),
    "shared left text": lambda model, batch: SharedLeftCache(model.transformer, batch, 1),
    "many codes": lambda model, batch: ManyCodesCache(model.transformer, batch, 1, 4),
}


@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_prefill_of_a_few_rows_at_a_time_on_a_processor(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(image_tokens_per_dim=3)
    left, head = model.config.l_text_seq_length, output_head(model, slice(None))
    ids = random_ids(model, 7)[:, :left]
    rows: list[int] = []
    model.transformer.layers[0].register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    kept, logits = [], []
    for at_once in (7, 3):
        monkeypatch.setattr(decoding, "PREFILL_BYTES", at_once * left * 4 * model.config.hidden_size * 4)
        cache = CACHES[kind](model, 7)
        logits.append(forward_cached(model, cache, ids, 0, head))
        kept.append(cache.tensors)
    assert rows == [7, 3, 3, 1]
    torch.testing.assert_close(logits[1], logits[0], **SAME)
    torch.testing.assert_close(kept[1], kept[0], **SAME)


@pytest.mark.skipif(not packable(torch.empty(0, dtype=torch.bfloat16)), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize("kind", CACHES)
@torch.inference_mode()
def test_keys_in_bfloat16_beside_a_rest_in_float32(kind: str) -> None:
    model = bfloat16_products(small(image_tokens_per_dim=3))
    ids, cache = random_ids(model, 3), CACHES[kind](model, 3)
    first = model.config.prefix_length if kind == "dense" else model.config.l_text_seq_length
    cached, full = stepwise(model, cache, ids, first, first + 3), model(ids)
    assert {tensor.dtype for tensor in cache.tensors} == {torch.bfloat16}
    assert (cached.dtype, full.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(cached, full[:, first - 1 : first + 3], atol=0.1, rtol=0.0)
