"""What one decoding step costs at the true 2.7B shape, counted on meta tensors: no memory, no clock, no noise.

`benchmarks/counting.py` says how operations and bytes are counted.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.counting import Counting
from benchmarks.published_loop import PublishedLoop
from models.rudolph import Rudolph, named
from models.rudolph.caches import DenseCache
from models.rudolph.compact_cache import CompactCache, SharedLeftCache
from models.rudolph.decoding import (
    Cache,
    answer,
    draw_one_code,
    draw_one_id,
    forward_cached,
    generate_image,
    generate_images,
    output_head,
)
from models.rudolph.lock_step import LockStep
from models.rudolph.many_codes import Rows, draw_one_pass, first_codes
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.sampling import Sampling
from models.rudolph.transformer import SparseTransformer
from models.rudolph.vocabulary import EOS
from models.rudolph.window_width import WindowWidth
from tests.models.recorded import Captured, Dispatches

CONFIG = named("2.7B-FBC2")
LEFT, TOTAL = CONFIG.l_text_seq_length, CONFIG.total_seq_length
IMAGE_ROWS = slice(CONFIG.text_vocab, CONFIG.text_vocab + 8192)
TEXT_ROWS = slice(0, 16384)
WEIGHTS = 5.075e9  # bytes of the layers and the needed rows of the head, in half precision
# A step may neither make the host wait for the device, nor let a sequence grow by copying it.
FORBIDDEN = {
    "item",
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "cat",
    "concat",
    "stack",
    "index_put",
    "masked_select",
}


@pytest.fixture(scope="module")
def model() -> Rudolph:
    with torch.device("meta"):
        return Rudolph(CONFIG).half().eval()


def one_step(model: Rudolph, cache: Cache, batch: int, rows: slice, sampling: Sampling) -> Counting:
    """Run the token that each row drew last, and draw the next one: what is done at every place."""
    with torch.inference_mode(), torch.device("meta"):
        head = output_head(model, rows)
        ids = torch.empty(rows.stop - rows.start, dtype=torch.int64) if isinstance(cache, DenseCache) else None
        state = LockStep.before(sampling, torch.empty(batch, 9), EOS, ids=ids)
        with Counting() as counting:
            if isinstance(cache, DenseCache):
                draw_one_id(model, cache, head, state, 2)
            else:
                draw_one_code(model, cache, head, state)
    return counting


@pytest.mark.parametrize("batch", [1, 8, 128])
def test_an_image_step_moves_the_weights_once_and_only_the_keys_it_may_see(model: Rudolph, batch: int) -> None:
    cache = CompactCache(model.transformer, batch)
    counted = one_step(model, cache, batch, IMAGE_ROWS, Sampling(top_k=1024, top_p=0.975))
    assert sum(counted.operations.values()) <= 600
    assert counted.bytes <= 5.1e9 + 0.19e9 * batch
    assert not FORBIDDEN & set(counted.operations)
    assert max(rows for rows, _ in counted.weights if rows != 4 * CONFIG.hidden_size) == 8192


@pytest.mark.parametrize("batch", [1, 8, 128])
def test_a_right_text_step_reads_the_whole_cache_once(model: Rudolph, batch: int) -> None:
    cache = DenseCache(model.transformer, batch, TOTAL)
    counted = one_step(model, cache, batch, TEXT_ROWS, Sampling(top_k=32, top_p=0.8))
    assert sum(counted.operations.values()) <= 600
    assert counted.bytes <= 5.15e9 + 0.37e9 * batch  # the dense cache alone: 0.356 GB a sample
    assert not FORBIDDEN & set(counted.operations)
    assert max(rows for rows, _ in counted.weights) == 16384


def test_no_bias_of_an_image_step_has_strides_that_fused_kernels_pad(
    model: Rudolph, monkeypatch: pytest.MonkeyPatch
) -> None:
    biases: list[torch.Tensor | None] = []
    attention = F.scaled_dot_product_attention

    def spy(*args: Any, attn_mask: torch.Tensor | None) -> torch.Tensor:
        biases.append(attn_mask)
        return attention(*args, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    one_step(model, CompactCache(model.transformer, 2), 2, IMAGE_ROWS, Sampling(top_k=1))
    keys = Counter(bias.shape[-1] for bias in biases if bias is not None)
    assert keys == {384 + 25: 16, 384 + 24: 8, 384 + 76: 7, 384 + 101: 1}
    assert not any(stride % 8 for bias in biases if bias is not None for stride in bias.stride()[:-1])


class LinearRows(TorchDispatchMode):
    """Counts how many rows each shape of weights `(out, in)` is multiplied with."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Counter[tuple[int, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._schema.name == "aten::linear":
            self.rows[tuple(args[1].shape)] += args[0].numel() // args[0].shape[-1]
        elif func._schema.name == "aten::addmm":
            self.rows[tuple(args[2].shape[::-1])] += args[1].shape[0]
        return output


@pytest.mark.parametrize(
    ("cache_of", "length"), [(lambda of, n: DenseCache(of, 2, n), 962), (lambda of, n: CompactCache(of, 2), 384)]
)
def test_a_prefill_leaves_out_of_the_last_layer_what_nobody_reads(
    model: Rudolph, cache_of: Callable[[SparseTransformer, int], Cache], length: int
) -> None:
    ids = torch.empty(2, length, dtype=torch.int64, device="meta")
    cache = cache_of(model.transformer, length)
    with torch.inference_mode(), torch.device("meta"):
        head = output_head(model, TEXT_ROWS)
        with LinearRows() as counted:
            forward_cached(model, cache, ids, 0, head)
    all_but_one = 2 * (31 * length + 1)
    assert counted.rows == {
        (7680, 2560): 2 * 32 * length,  # keys and values are there of all positions
        (2560, 2560): all_but_one,
        (10240, 2560): all_but_one,
        (2560, 10240): all_but_one,
        (16384, 2560): 2,
    }


@pytest.mark.parametrize(("prompts", "draws"), [(1, 8), (16, 8), (8, 16)])
def test_draws_of_a_prompt_read_its_left_text_once(model: Rudolph, prompts: int, draws: int) -> None:
    cache = SharedLeftCache(model.transformer, prompts, draws)
    sampling = Sampling(top_k=1024, top_p=0.975)
    counted = one_step(model, cache, prompts * draws, IMAGE_ROWS, sampling)
    assert sum(counted.operations.values()) <= 900
    assert not FORBIDDEN & set(counted.operations)
    assert counted.bytes <= 5.1e9 + 0.126e9 * prompts + 0.033e9 * prompts * draws
    apart = one_step(model, CompactCache(model.transformer, prompts * draws), prompts * draws, IMAGE_ROWS, sampling)
    shared = counted.bytes - WEIGHTS
    assert shared < 0.35 * (apart.bytes - WEIGHTS)


def one_pass(model: Rudolph, prompts: int, draws: int, width: int) -> Counting:
    """One pass over `width` codes of each picture, the drawing and accepting included."""
    batch, room = prompts * draws, 576 + CONFIG.image_tokens_per_dim + width
    with torch.inference_mode(), torch.device("meta"):
        cache, head = ManyCodesCache(model.transformer, prompts, draws, width), output_head(model, IMAGE_ROWS)
        codes = torch.empty(batch, room, dtype=torch.int64)
        known, not_finite, near_ties = (codes[:, 0].clone() for _ in range(3))
        rows = Rows(codes, known, torch.empty(batch, room), not_finite, near_ties, codes.clone())
        with Counting() as counting:
            draw_one_pass(model, cache, head, Sampling(top_k=1024, top_p=0.975), rows, width)
    return counting


@pytest.mark.parametrize("width", [2, 8, 16])
@pytest.mark.parametrize(("prompts", "draws"), [(1, 1), (8, 1), (64, 1), (8, 4)])
def test_a_pass_over_several_codes_reads_weights_and_keys_once(
    model: Rudolph, prompts: int, draws: int, width: int
) -> None:
    batch = prompts * draws
    counted = one_pass(model, prompts, draws, width)
    assert sum(counted.operations.values()) <= (690 if draws == 1 else 1040)
    assert not FORBIDDEN & set(counted.operations)
    # What is read once, whatever the width (of a column layer the whole image), and what each code takes.
    once, each = (0.19e9 * prompts, 0.011e9) if draws == 1 else (0.126e9 * prompts + 0.07e9 * batch, 0.025e9)
    assert counted.bytes <= 5.1e9 + once + each * batch * width
    assert max(rows for rows, _ in counted.weights if rows != 4 * CONFIG.hidden_size) == 8192


@pytest.mark.parametrize("width", [1, 4])
def test_two_passes_over_other_places_are_the_same_operations(golden_rudolph: Rudolph, width: int) -> None:
    """So that a pass can be captured as a CUDA graph: where rows stand is known to tensors alone."""
    config, batch = golden_rudolph.config, 3
    cache, head = ManyCodesCache(golden_rudolph.transformer, batch, 1, width), output_head(golden_rudolph, slice(300))
    codes = torch.zeros(batch, config.image_seq_length + 30, dtype=torch.int64)
    seen = []
    for places in ([1, 1, 1], [9, 30, 36]):
        not_finite, near_ties = torch.zeros(2, batch, dtype=torch.int64)
        rows = Rows(codes, torch.tensor(places), codes.float(), not_finite, near_ties, None)
        with torch.inference_mode(), Dispatches() as dispatches:
            draw_one_pass(golden_rudolph, cache, head, Sampling(top_k=9, top_p=0.9), rows, width)
        seen.append(dispatches.seen)
    assert len(seen[0]) > 100
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("width", "forced"), [(1, False), (1, True), (4, False)])
def test_a_pass_that_was_captured_once_draws_whole_pictures(golden_rudolph: Rudolph, width: int, forced: bool) -> None:
    config, sampling, batch = golden_rudolph.config, Sampling(top_k=9, top_p=0.9), 3
    left = torch.arange(1, 1 + batch * config.l_text_seq_length).view(batch, -1) % 200
    numbers = torch.rand(batch, config.image_seq_length, generator=torch.Generator().manual_seed(0))
    prompt = torch.where(torch.arange(config.image_seq_length) % 3 == 0, 5, -1).expand(batch, -1) if forced else None
    expected = generate_image(golden_rudolph, left, sampling, numbers, prompt=prompt)
    codes = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
    with torch.inference_mode():
        cache, head = ManyCodesCache(golden_rudolph.transformer, batch, 1, width), output_head(golden_rudolph, codes)
        logits = forward_cached(golden_rudolph, cache, left, 0, head)
        rows = first_codes(logits, sampling, numbers, prompt, config.image_tokens_per_dim, width)
        with Captured() as captured:
            draw_one_pass(golden_rudolph, cache, head, sampling, rows, width)
        for _ in range(config.image_seq_length - 2):  # a code came of the prefill, one of the capture
            captured.replay()
    assert rows.known.tolist() == [config.image_seq_length] * batch
    assert torch.equal(rows.codes[:, : config.image_seq_length], expected)


# Asking a device for a number makes the host wait for it.
WAITING = ("_local_scalar_dense", "item", "is_nonzero", "nonzero")


def waits(counting: Counting) -> int:
    return sum(counting.operations[name] for name in WAITING)


def test_a_whole_drawing_waits_for_the_device_once(golden_rudolph: Rudolph) -> None:
    config = golden_rudolph.config
    left, numbers = (
        torch.zeros(2, config.l_text_seq_length, dtype=torch.int64),
        torch.rand(2, 3, config.image_seq_length),
    )
    with Counting() as one:
        generate_image(golden_rudolph, left, Sampling(top_k=9, top_p=0.9), numbers[:, 0])
    with Counting() as three:
        generate_images(golden_rudolph, left, Sampling(top_k=9, top_p=0.9), numbers)
    assert waits(one) == waits(three) == 1  # at its end, whether all logits were finite


def test_a_drawing_in_windows_waits_for_the_device_less_than_every_other_pass(golden_rudolph: Rudolph) -> None:
    config, width = golden_rudolph.config, WindowWidth((4,))
    left, numbers = torch.ones(1, config.l_text_seq_length, dtype=torch.int64), torch.rand(1, config.image_seq_length)
    numbers.fill_(0.3)
    with Counting() as counted:
        generate_image(golden_rudolph, left, Sampling(top_k=9, top_p=0.9), numbers, window=width)
    assert width.passes >= 20  # of 35 codes: the model is a random one
    assert waits(counted) <= 2 + width.passes / 2


def test_a_whole_answer_waits_for_the_device_at_every_fourth_step(golden_rudolph: Rudolph) -> None:
    config, steps = golden_rudolph.config, 9
    left = torch.zeros(2, config.l_text_seq_length, dtype=torch.int64)
    codes = torch.zeros(2, config.image_seq_length, dtype=torch.int64)
    everything_but_eos = slice(4, config.bpe_vocab)
    with Counting() as counted:
        answer(
            golden_rudolph, left, codes, [2, 257], Sampling(top_k=1), torch.rand(2, steps), allowed=everything_but_eos
        )
    assert waits(counted) == 2 + 1  # steps 0 and 4, and the end, whether all logits were finite


def test_the_published_loop_moves_what_was_measured_and_nearly_twenty_times_more_a_sample(model: Rudolph) -> None:
    sampling = Sampling(top_k=1024, top_p=0.975)
    with torch.inference_mode(), torch.device("meta"):
        loop = PublishedLoop(model, torch.zeros(2, LEFT + 288, dtype=torch.int64))
        with Counting() as published:
            loop.step(IMAGE_ROWS, sampling)
    assert published.bytes == pytest.approx(11.1e9, rel=0.01)  # of the published code itself, at this very step
    assert 900 <= sum(published.operations.values()) <= 1018  # there: 1018
    ours = one_step(model, CompactCache(model.transformer, 2), 2, IMAGE_ROWS, sampling)
    assert (published.bytes - WEIGHTS) / (ours.bytes - WEIGHTS) > 18
