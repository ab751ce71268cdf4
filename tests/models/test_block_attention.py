"""Attention and dropout in training on a CPU: the plain formulas' values and gradients, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.rudolph import Rudolph, named
from models.rudolph.block_attention import PREFILL_QUERIES, PrefillAttention, block_attention
from models.rudolph.dropout import Dropout, kept
from models.rudolph.masks import grouped_positions, sequence_mask

HEADS = (2, 3, 328, 8)  # batch, heads, positions of a 350M with eight tokens of right text, width of a head


def inputs(n: int = HEADS[2]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*HEADS[:2], n, HEADS[3], generator=generator).requires_grad_() for _ in range(4)]


def gradients(output: Tensor, of: list[Tensor], slope: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(output, of, slope))


@pytest.mark.parametrize("kind", ["row", "col", "conv", "last_conv"])
@pytest.mark.parametrize("n", [1, 64, 65, 200, 328])
@pytest.mark.parametrize("grouped", [False, True])
def test_value_and_gradients_are_those_of_the_plain_formula(kind: str, n: int, grouped: bool) -> None:
    *ours, slope = inputs(n)
    mask = sequence_mask(kind, named("350M"))[:n, :n]  # type: ignore[arg-type]
    order = grouped_positions(kind, named("350M"), n) if grouped else None  # type: ignore[arg-type]
    expected = F.scaled_dot_product_attention(*ours, attn_mask=mask)
    found = block_attention(*ours, mask, order=order)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for own, plain in zip(gradients(found, ours, slope), gradients(expected, ours, slope), strict=True):
        torch.testing.assert_close(own, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["row", "col", "conv", "last_conv"])
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 64), (0, 65), (0, 322), (64, 322), (100, 321), (327, 328)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prefill_by_blocks_is_the_plain_formula(kind: str, start: int, stop: int, dtype: torch.dtype) -> None:
    exact = [x.detach() for x in inputs(stop)[:3]]
    query, key, value = (x.to(dtype) for x in exact)
    mask = sequence_mask(kind, named("350M"))[start:stop, :stop]  # type: ignore[arg-type]
    order = grouped_positions(kind, named("350M"), stop)  # type: ignore[arg-type]
    order = None if order is None else order[order >= start] - start
    expected = F.scaled_dot_product_attention(exact[0][:, :, start:], *exact[1:], attn_mask=mask)
    found = PrefillAttention(mask, order, query)(query[:, :, start:], key, value)
    torch.testing.assert_close(found.float(), expected, atol=1e-6 if dtype == torch.float32 else 2e-2, rtol=0)
    assert found.transpose(1, 2).is_contiguous()  # the next layer reads it without a copy


@pytest.mark.parametrize(("kind", "share"), [("row", 0.31), ("col", 0.28), ("conv", 0.38), ("last_conv", 0.41)])
def test_a_prefill_scores_few_keys_that_none_sees(kind: str, share: float) -> None:
    mask = sequence_mask(kind, named("350M"))[:322, :322]  # type: ignore[arg-type]
    made = PrefillAttention(mask, grouped_positions(kind, named("350M"), 322), torch.empty(0))  # type: ignore[arg-type]
    assert sum(bias.numel() for bias in made.biases) <= share * mask.numel()
    assert max(len(bias) for bias in made.biases) == PREFILL_QUERIES


def test_gradients_in_bfloat16_are_rounded_no_more_than_those_of_the_plain_formula() -> None:
    config = named("2.7B")
    mask = sequence_mask("row", config)
    generator = torch.Generator().manual_seed(0)
    *exact, slope = (torch.randn(1, 2, config.total_seq_length, 80, generator=generator) for _ in range(4))
    kinds = (torch.double, torch.bfloat16, torch.bfloat16)
    truth, plain, ours = ([x.to(kind).requires_grad_() for x in exact] for kind in kinds)
    expected = gradients(F.scaled_dot_product_attention(*truth, attn_mask=mask), truth, slope.double())
    scores = (plain[0] @ plain[1].transpose(2, 3) * 80**-0.5).masked_fill(~mask, -torch.inf)
    errors = [
        [((one.double() - other).norm() / other.norm()).item() for one, other in zip(found, expected, strict=True)]
        for found in (
            gradients(block_attention(*ours, mask), ours, slope.bfloat16()),
            gradients(scores.softmax(-1) @ plain[2], plain, slope.bfloat16()),
        )
    ]
    assert all(own < 1.1 * other for own, other in zip(*errors, strict=True)), errors


def test_dropped_weights_are_dropped_forwards_and_backwards() -> None:
    *ours, slope = inputs(70)
    mask = torch.ones(70, 70, dtype=torch.bool).tril()
    torch.manual_seed(3)
    found = block_attention(*ours, mask, 0.25)
    torch.manual_seed(3)
    stay = torch.zeros(6, 70, 70)
    for rows, keys in ((slice(0, 64), 64), (slice(64, 70), 70)):
        stay[:, rows, :keys] = kept((6, rows.stop - rows.start, keys), 0.25, torch.float32)
    query, key, value = (x.flatten(0, 1) for x in ours)
    scores = (query @ key.transpose(1, 2) / 8**0.5).masked_fill(~mask, -torch.inf)
    expected = ((scores.softmax(-1) * stay / 0.75) @ value).view(found.shape)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for own, plain in zip(gradients(found, ours, slope), gradients(expected, ours, slope), strict=True):
        torch.testing.assert_close(own, plain, atol=1e-5, rtol=1e-4)


class Scores(TorchDispatchMode):
    """Counts the scores that are normalised."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        result = function(*arguments, **(keywords or {}))
        if function is torch.ops.aten._softmax.default:
            self.count += result.numel()
        return result


@pytest.mark.parametrize(
    ("kind", "scores", "grouped"),
    [("row", 42_560, 42_560), ("col", 64_064, 39_488), ("conv", 48_704, 48_704), ("last_conv", 51_776, 51_776)],
)
def test_scores_that_no_query_of_a_block_sees_are_not_made(kind: str, scores: int, grouped: int) -> None:
    query, key, value, _ = inputs()
    mask = sequence_mask(kind, named("350M"))[:328, :328]  # type: ignore[arg-type]
    for order, expected in ((None, scores), (grouped_positions(kind, named("350M"), 328), grouped)):  # type: ignore[arg-type]
        with Scores() as made:
            block_attention(query, key, value, mask, order=order)
        assert made.count == 6 * expected  # of 6 x 107,584


def test_a_network_in_training_attends_by_columns() -> None:
    """Its own attention is handed the order: 39,488 scores of a column layer for each of 16 heads."""
    torch.manual_seed(0)
    model = Rudolph(replace(named("350M"), num_layers=2, hidden_size=64)).train()
    with Scores() as made:
        model.hidden(torch.ones(1, 328, dtype=torch.int64))
    assert made.count == 16 * (42_560 + 39_488)


@pytest.mark.parametrize(
    ("n", "order"),
    [
        (2, None),
        (3, [0, 1, 2]),
        (6, [0, 1, 2, 4, 3, 5]),
        (7, [0, 1, 2, 4, 3, 5, 6]),
        (5, [0, 1, 2, 4, 3]),
    ],
)
def test_order_of_positions_by_columns(n: int, order: list[int] | None) -> None:
    config = replace(named("350M"), l_text_seq_length=2, image_tokens_per_dim=2, r_text_seq_length=2)
    found = grouped_positions("col", config, n)
    assert (found if found is None else found.tolist()) == order
    assert grouped_positions("row", config, n) is None


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(probability: float) -> None:
    torch.manual_seed(0)
    ones = torch.ones(1001, 999, requires_grad=True)
    found = Dropout(probability).train()(ones)
    dropped = (found == 0).double().mean().item()
    assert dropped == pytest.approx(probability, abs=2e-3)
    assert found.mean().item() == pytest.approx(1.0, abs=0.01)
    (slopes,) = torch.autograd.grad(found.sum(), ones)
    assert slopes.equal(found.detach())


@pytest.mark.parametrize(("probability", "value"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_of_nothing_and_of_all(probability: float, value: float) -> None:
    assert Dropout(probability).train()(torch.ones(5)).tolist() == [value] * 5


def test_no_dropout_outside_of_training() -> None:
    assert Dropout(0.5).eval()(torch.ones(5)).tolist() == [1.0] * 5


def test_neighbouring_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    stay = kept((4_000_000,), 0.5, torch.float32) * 2 - 1
    for distance in (1, 2, 3, 4, 5):
        assert abs((stay[:-distance] * stay[distance:]).mean().item()) < 2e-3
