"""Attention by pieces: the masked formula's values and gradients, the masks' scores exactly, and half of the work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.counting import Counting
from models.dalle import config as dalle
from models.rudolph import Rudolph, named
from models.rudolph.attention_kernels import Efficient, Kernels, OnProcessor, Scores
from models.rudolph.attention_pieces import image_pieces, text_pieces
from models.rudolph.attention_trial import problem_of
from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.masks import sequence_mask
from models.rudolph.piecewise_attention import PiecewiseAttention

CPU = torch.device("cpu")
SMALL = replace(named("350M"), hidden_size=16, num_attention_heads=2)
LARGE = replace(named("2.7B"), hidden_size=160, num_attention_heads=2)  # heads of 80
WRAPPING = replace(dalle.SIZES["Malevich_v2"], hidden_size=8, num_attention_heads=1)
CASES: list[tuple[Geometry, MaskKind, int]] = [
    *((SMALL, kind, n) for kind in SMALL.mask_kinds for n in (1, 64, 65, 213, 320, 321, 384)),
    *((LARGE, kind, 1088) for kind in LARGE.mask_kinds),
    *((WRAPPING, kind, n) for kind in WRAPPING.mask_kinds for n in (800, 1152)),
]


def fused_and_slope(config: Geometry, n: int, batch: int = 1, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Any]:
    generator = torch.Generator().manual_seed(0)
    heads, size = config.num_attention_heads, config.head_dim
    fused = torch.randn(batch, n, 3, heads, size, generator=generator, dtype=torch.float32)
    slope = torch.randn(batch, heads, n, size, generator=generator)
    return fused.to(dtype).requires_grad_(), slope.to(dtype)


def split(fused: Tensor) -> Any:
    return fused.permute(2, 0, 3, 1, 4)


@pytest.mark.parametrize(("config", "kind", "n"), CASES)
def test_value_and_gradients_are_those_of_the_masked_formula(config: Geometry, kind: MaskKind, n: int) -> None:
    fused, slope = fused_and_slope(config, n, 2 if config is SMALL else 1)
    expected = F.scaled_dot_product_attention(*split(fused), attn_mask=sequence_mask(kind, config)[:n, :n])
    found = PiecewiseAttention(config)(*split(fused), kind)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    own, plain = (torch.autograd.grad(output, fused, slope)[0] for output in (found, expected))
    torch.testing.assert_close(own, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("config", "kind", "n"), CASES)
def test_each_score_of_a_mask_is_made_by_one_piece(config: Geometry, kind: MaskKind, n: int) -> None:
    made = torch.zeros(n, n, dtype=torch.int8)
    for piece in (*text_pieces(config, n), *image_pieces(kind, config, n)):
        part = made[piece.rows, piece.keys]
        if piece.columns:
            places = torch.arange(piece.columns**2)
            same = (places[:, None] - places) % piece.columns == 0
            part += (same & (places[:, None] >= places)).to(torch.int8)
        elif piece.causal:
            part += torch.ones_like(part).tril()
        else:
            part += 1 if piece.seen is None else piece.seen.to(torch.int8)
    assert made.equal(sequence_mask(kind, config)[:n, :n].to(torch.int8))


def test_rounding_in_bfloat16_is_near_that_of_one_kernel() -> None:
    fused, slope = fused_and_slope(LARGE, 1088, dtype=torch.bfloat16)
    mask, exact = sequence_mask("row", LARGE), fused.detach().double().requires_grad_()
    outputs = (
        (F.scaled_dot_product_attention(*split(exact), attn_mask=mask), exact),
        (F.scaled_dot_product_attention(*split(fused), attn_mask=mask), fused),
        (PiecewiseAttention(LARGE)(*split(fused), "row"), fused),
    )
    truth, plain, ours = (
        (output.double(), torch.autograd.grad(output, of, slope.to(of.dtype))[0].double()) for output, of in outputs
    )
    for one, other, value in zip(ours, plain, truth, strict=True):
        assert (one - value).norm() < 1.3 * (other - value).norm()


@dataclass(frozen=True)
class Dropping:
    """The plain formula in the kernels' form, whose dropout is told again by its state as theirs is; and faults."""

    wrong_logarithms: float = 0.0
    other_seed: int = 0
    missing: bool = False

    def weights(self, scores: Scores, logarithms: Tensor | None, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        raw = scores.query @ scores.key.transpose(2, 3) * scores.query.shape[-1] ** -0.5
        if scores.causal:
            raw = raw.masked_fill(torch.ones(raw.shape[2:], dtype=torch.bool).triu(1), -torch.inf)
        raw = raw if scores.bias is None else raw + scores.bias
        logarithms = raw.logsumexp(-1) if logarithms is None else logarithms
        draws = torch.rand(raw.shape, generator=torch.Generator().manual_seed(seed))
        return (raw - logarithms[..., None]).exp(), logarithms, (draws >= scores.dropout) / (1 - scores.dropout)

    def forward(self, scores: Scores) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
        if self.missing:
            raise NotImplementedError("No operator found for `memory_efficient_attention_forward`\nwith inputs")
        seed = int(torch.randint(2**31, ()))
        weights, logarithms, kept = self.weights(scores, None, seed)
        return (weights * kept) @ scores.value, logarithms + self.wrong_logarithms * torch.rand(()), (seed,)

    def backward(
        self, slope: Tensor, scores: Scores, output: Tensor, logarithms: Tensor, state: tuple[Any, ...]
    ) -> Any:
        weights, _, kept = self.weights(scores, logarithms, state[0] + self.other_seed)
        to_weights = (slope @ scores.value.transpose(2, 3)) * kept
        to_raw = weights * (to_weights - (slope * output).sum(-1, keepdim=True)) * scores.query.shape[-1] ** -0.5
        return to_raw @ scores.key, to_raw.transpose(2, 3) @ scores.query, (weights * kept).transpose(2, 3) @ slope


def by(kernel: Any) -> PiecewiseAttention:
    return PiecewiseAttention(SMALL, Kernels(kernel, kernel))


@pytest.mark.parametrize("kind", ["row", "col"])
def test_dropped_weights_are_dropped_forwards_and_backwards(kind: MaskKind) -> None:
    """Each weight of a value is 0 or scaled up, and the derivative is that of a formula with these weights fixed."""
    n, size = SMALL.total_seq_length, SMALL.total_seq_length
    config = replace(SMALL, hidden_size=size, num_attention_heads=1)
    attention = PiecewiseAttention(config, Kernels(Dropping(), Dropping()))
    query, key, _ = split(fused_and_slope(config, n)[0].detach())
    query, key = (x.clone().requires_grad_() for x in (query, key))
    value = torch.eye(n)[None, None].clone().requires_grad_()  # what comes out are the weights
    slope = torch.randn(1, 1, n, n, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    weights = attention(query, key, value, kind, 0.25)
    mask = sequence_mask(kind, config)
    plain = (query @ key.transpose(2, 3) * size**-0.5).masked_fill(~mask, -torch.inf).softmax(-1)
    kept = (weights.detach() != 0) / 0.75
    assert (weights.detach() != 0)[0, 0][mask].double().mean().item() == pytest.approx(0.75, abs=0.01)
    expected = (plain * kept) @ value
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)
    own, wanted = (torch.autograd.grad(output, (query, key, value), slope) for output in (weights, expected))
    for one, other in zip(own, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "problem"),
    [
        (Dropping(), ""),
        (Dropping(wrong_logarithms=0.1), "wrong by "),
        (Dropping(other_seed=1), "what is dropped in col layers differs by "),
        (Dropping(missing=True), "NotImplementedError: No operator found for `memory_efficient_attention_forward`"),
        (OnProcessor(), "ValueError: a processor's attention kernel drops no weights"),
        (Efficient(), "NotImplementedError: "),  # there is none for a CPU
    ],
)
def test_the_trial_tells_what_is_wrong(kernel: Any, problem: str) -> None:
    found = problem_of(by(kernel), CPU, torch.float32, dropout=True)
    assert found.startswith(problem) if problem else not found
    assert "\n" not in found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_trial_lets_torch_s_own_kernel_pass(dtype: torch.dtype) -> None:
    assert problem_of(PiecewiseAttention(SMALL), CPU, dtype, dropout=False) == ""


class Work(Counting):
    """Counts the products of attention: 2 forwards and 5 backwards, of scores that are made."""

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if "attention" in name:
            given = dict(zip((each.name for each in func._schema.arguments), args, strict=False))
            (batch, heads, rows, size), keys = given["query"].shape, given["key"].shape[2]
            made = rows * (rows + 1) // 2 if given.get("is_causal") else rows * keys
            self.flop += (10 if "backward" in name else 4) * batch * heads * size * made
        return super().__torch_dispatch__(func, types, args, kwargs)


def dense(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What torch does with a boolean mask on a GPU."""
    n, shape = query.shape[2], (*query.shape[:2], -1, -1)
    bias = query.new_zeros(n, n).masked_fill(query.new_zeros(n, n, dtype=torch.bool), -torch.inf).expand(shape)
    output: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, bias, True, 0.1)[0]
    return output


def worked(config: Geometry, rows: int) -> Iterator[tuple[Work, Work]]:
    """Forwards and backwards on the meta device in bfloat16, dense and by pieces, of each kind of layer."""
    n, heads, size = config.total_seq_length, config.num_attention_heads, config.head_dim
    pieces = PiecewiseAttention(config)
    for kind in config.mask_kinds:
        counts = []
        for way in (dense, lambda *given, kind=kind: pieces(*given, kind, 0.1)):
            fused = torch.empty(rows, n, 3, heads, size, device="meta", dtype=torch.bfloat16, requires_grad=True)
            way(*split(fused))  # makes once what is kept
            with Work() as work:
                output = way(*split(fused))
                torch.autograd.grad(output, fused, torch.empty_like(output))
            counts.append(work)
        yield counts[0], counts[1]


@pytest.mark.parametrize(
    ("size", "rows", "gigaflop", "by_pieces"),
    [("350M", 24, 51, [27, 15, 28, 29]), ("2.7B", 4, 170, [79, 63, 81, 83])],
)
def test_work_by_a_gpu_s_kernels(size: str, rows: int, gigaflop: int, by_pieces: list[int]) -> None:
    counts = list(worked(named(size), rows))
    assert all(plain.flop < 1e9 * gigaflop for plain, _ in counts)
    assert all(plain.flop > 1.75 * ours.flop for plain, ours in counts)
    for (plain, ours), most in zip(counts, by_pieces, strict=True):
        assert ours.flop < 1e9 * most
        # Only the image's own scores have a mask, at most 192 queries of it; all else goes through flash attention.
        masked = ours.operations["_scaled_dot_product_efficient_attention"]
        assert (masked, ours.operations["_scaled_dot_product_flash_attention"]) in ((0, 5), (3 if rows == 4 else 2, 4))
        assert ours.operations.total() <= 90
        # Putting together and copying costs bytes: what a GPU pays for the half of the products that is spared.
        assert ours.bytes < 3.8 * plain.bytes


@pytest.mark.parametrize("checkpointing", [None, 1])
@pytest.mark.parametrize("keeps_products", [False, True])
def test_losses_and_gradients_of_a_network_are_those_of_masks(checkpointing: int | None, keeps_products: bool) -> None:
    config = replace(
        SMALL,
        num_layers=5,  # row, column, row, convolution, and the last one's
        vocab_size=264,
        image_vocab_size=50,
        attention_dropout_prob=0.0,
        output_dropout_prob=0.0,
        gradient_checkpointing=checkpointing,
        init_method_std=0.2,
    )
    torch.manual_seed(0)
    model = Rudolph(config).train()
    model.transformer.keeps_products = keeps_products
    ids = torch.randint(1, 50, (2, config.total_seq_length - 5))
    found = []
    for piecewise in (None, PiecewiseAttention(config)):
        model.transformer.piecewise = piecewise
        model.zero_grad()
        loss, _ = model.loss(ids)
        loss.backward()
        found.append((loss.item(), {name: p.grad for name, p in model.named_parameters()}))
    (expected, plain), (loss_found, ours) = found
    assert set(config.layer_kinds) == {"row", "col", "conv", "last_conv"}
    assert loss_found == pytest.approx(expected, rel=1e-5)
    for name, gradient in plain.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-5, rtol=1e-4)
