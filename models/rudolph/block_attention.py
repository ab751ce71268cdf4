"""Attention of many queries on a CPU: block by block of queries, over the keys that any of them sees.

In training with a backward pass of its own; in a prefill with the fused kernel, on the caches that it fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.dropout import kept, rounded_probability

QUERIES = 64  # of a block
PREFILL_QUERIES = 32  # of a block in a prefill: what it gathers of one sample stays in a processor's own cache
HIDDEN_SCORE = -65504.0  # added to the scores of what is not seen


@dataclass(frozen=True)
class _Block:
    """Queries `rows`; the keys that one of them sees, `keys` (int64; None: the first `count`), and which each sees."""

    rows: slice
    keys: Tensor | None
    count: int
    seen: Tensor

    def of(self, x: Tensor) -> Tensor:
        """The block's keys of `[..., n, head_dim]`."""
        return x[:, : self.count] if self.keys is None else x.index_select(1, self.keys)

    def add(self, total: Tensor, x: Tensor) -> None:
        """Add what belongs to the block's keys to that of all."""
        if self.keys is None:
            total[:, : self.count] += x
        else:
            total.index_add_(1, self.keys, x.to(total.dtype))


def _blocks(mask: Tensor, queries: int) -> Iterator[_Block]:
    visible = mask.numpy()
    for start in range(0, mask.shape[0], queries):
        rows = slice(start, start + queries)
        seen = np.flatnonzero(visible[rows].any(0))
        count, keys = len(seen), torch.from_numpy(seen)
        first = seen[-1] + 1 == count
        yield _Block(rows, None if first else keys, count, mask[rows, :count] if first else mask[rows, keys])


class _BlockAttention(torch.autograd.Function):
    """Between its two ends all is `[batch * heads, n, head_dim]`, with the positions in the given order."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float, order: Tensor | None
    ) -> Tensor:
        ctx.shape, ctx.dropout, ctx.scale = query.shape, dropout, query.shape[-1] ** -0.5
        ctx.order, ctx.places = order, None if order is None else order.argsort()
        query, key, value = (_taken(x.reshape(-1, *x.shape[2:]), order) for x in (query * ctx.scale, key, value))
        mask = mask if order is None else mask[order][:, order]
        output = torch.empty_like(query)
        made = []
        ctx.blocks = list(_blocks(mask, QUERIES))
        for block in ctx.blocks:
            hidden = torch.zeros(block.seen.shape, dtype=query.dtype).masked_fill_(~block.seen, HIDDEN_SCORE)
            scores = torch.bmm(query[:, block.rows], block.of(key).transpose(1, 2)).add_(hidden)
            weights = scores.softmax(-1)
            made.append(weights)
            if dropout:
                stay = kept(weights.shape, dropout, weights.dtype)
                made.append(stay)
                weights = weights * stay
            output[:, block.rows] = torch.bmm(weights, block.of(value))
        ctx.save_for_backward(query, key, value, *made)
        return _taken(output.mul_(_scale_of_kept(dropout)), ctx.places).view(ctx.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *saved = ctx.saved_tensors
        made = iter(saved)
        grad = _taken(grads[0].reshape(query.shape) * _scale_of_kept(ctx.dropout), ctx.order)
        to_query = torch.empty_like(query)
        # Sums over blocks, in float32 at least, as within one product.
        kind = torch.double if key.dtype == torch.double else torch.float32
        to_key, to_value = torch.zeros_like(key, dtype=kind), torch.zeros_like(value, dtype=kind)
        for block in ctx.blocks:
            weights, rows = next(made), block.rows
            slopes = torch.bmm(grad[:, rows], block.of(value).transpose(1, 2))  # d loss / d weights
            used = weights
            if ctx.dropout:
                stay = next(made)
                used = weights * stay
                slopes.mul_(stay)
            block.add(to_value, torch.bmm(used.transpose(1, 2), grad[:, rows]))
            slopes = torch._softmax_backward_data(slopes, weights, -1, weights.dtype)
            to_query[:, rows] = torch.bmm(slopes, block.of(key))
            block.add(to_key, torch.bmm(slopes.transpose(1, 2), query[:, rows]))
        slopes_of = (to_query.mul_(ctx.scale), to_key.to(key.dtype), to_value.to(key.dtype))
        return *(_taken(x, ctx.places).view(ctx.shape) for x in slopes_of), None, None, None


def _taken(x: Tensor, order: Tensor | None) -> Tensor:
    """Positions of `[.., n, head_dim]` in another order."""
    return x if order is None else x.index_select(1, order)


def _scale_of_kept(dropout: float) -> float:
    return 1.0 / (1.0 - rounded_probability(dropout))


def block_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float = 0.0, order: Tensor | None = None
) -> Tensor:
    """`masked_attention` on a CPU, with a backward pass (of first order): all `[batch, heads, n, head_dim]`.

    mask: boolean `[n, n]`; each query sees a key at least. Scores of keys that no query of a block sees are not made.
    order: int64 `[n]`, all positions; neighbours in it stand in one block, and best see the same keys.
    """
    order = order if len(mask) > QUERIES else None  # one block holds all
    output: Tensor = _BlockAttention.apply(query, key, value, mask, dropout, order)  # type: ignore[no-untyped-call]
    return output


class PrefillAttention:
    """Attention without gradients under one mask, boolean `[queries, keys]`, made once for all that attend so.

    Sample by sample and block by block. Of the image's prefill at 350M a block sees a third of the keys, and all of it
    takes 0.6 of the time of one fused call. `order` int64 `[queries]`, as in `block_attention`; `like` is in the
    precision of the scores.
    """

    def __init__(self, mask: Tensor, order: Tensor | None, like: Tensor) -> None:
        self.order = order
        self.blocks = list(_blocks(mask if order is None else mask[order], PREFILL_QUERIES))
        self.biases = [
            torch.zeros(block.seen.shape, dtype=like.dtype).masked_fill_(~block.seen, float("-inf"))
            for block in self.blocks
        ]

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend: query `[batch, heads, queries, head_dim]`, key and value `[batch, heads, keys, head_dim]`."""
        batch, heads, queries, size = query.shape
        output = query.new_empty(batch, queries, heads, size).transpose(1, 2)  # as the next layer wants it
        for each, keys, values, into in zip(query, key, value, output, strict=True):  # [heads, n, head_dim]
            for block, bias in zip(self.blocks, self.biases, strict=True):
                places = None if self.order is None else self.order[block.rows]
                own = each[:, block.rows] if places is None else each.index_select(1, places)
                found = F.scaled_dot_product_attention(
                    own[None], block.of(keys)[None], block.of(values)[None], attn_mask=bias
                )[0]
                if places is None:
                    into[:, block.rows] = found
                else:
                    into.index_copy_(1, places, found)
        return output
