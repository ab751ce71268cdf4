"""Output layer and cross-entropy together, chunk by chunk of tokens: the logits of a batch never exist as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.products import product

# Elements of a chunk's logits: many, so that the products are large.
LOGITS_AT_ONCE = {"cpu": 2**24, "cuda": 2**26}
# Of them, so many are normalised at once, in float32: as fit into a processor's cache.
NORMALISED_AT_ONCE = {"cpu": 2**18, "cuda": 2**26}

# Products are of multiples of so many tokens: of 413, a processor's kernels take a quarter longer than of 416.
TOKENS_TOGETHER = 16

# Which rows of the output layer score which tokens.
Table: TypeAlias = tuple[slice, slice]


class _ChunkedEntropy(torch.autograd.Function):
    """The gradients are made in the forward pass, while a chunk's logits are there: nothing is computed twice."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        weights: Tensor,
        dtype: torch.dtype,
        at_once: int,
        tables: Sequence[Table],
    ) -> tuple[Tensor, Tensor]:
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        entropies = torch.empty_like(weights)
        grad_x = torch.empty_like(x) if needs_x else None
        grad_weight = torch.empty_like(weight, dtype=torch.float32) if needs_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if needs_bias else None
        ctx.tables = []  # with the scale of each one's gradients
        for rows, tokens in tables:
            own = weights[tokens]
            if not len(own):
                if grad_weight is not None:
                    grad_weight[rows].zero_()
                continue
            table, offset = weight[rows].to(dtype), bias[rows].to(dtype)
            # The gradients of logits are tiny: float16 would lose them, and so they are kept near 1 there.
            half = dtype == torch.float16
            scale = own.max().clamp_min(torch.finfo(torch.float32).tiny) if half else torch.ones_like(own[0])
            ctx.tables.append((rows, tokens, scale))
            size, together = _chunk_size(at_once // len(table))
            for start in range(tokens.start, tokens.stop, size):
                part = slice(start, min(start + size, tokens.stop))
                count = part.stop - part.start
                # As many zeros behind the tokens as make their number a multiple: [count or more, hidden]
                states = F.pad(x[part].to(dtype), (0, 0, 0, -count % together))
                slopes = F.linear(states, table, offset)  # as yet logits: [count or more, ids]
                own_bias = None if grad_bias is None else grad_bias[rows]
                entropies[part] = _normalise(slopes[:count], targets[part], weights[part] / scale, own_bias)
                slopes[count:] = 0.0
                if grad_x is not None:
                    grad_x[part] = product(slopes, table)[:count]
                if grad_weight is not None and start == tokens.start:
                    grad_weight[rows] = product(slopes.T, states)
                elif grad_weight is not None:
                    grad_weight[rows] += product(slopes.T, states)
        ctx.gradients = grad_x, grad_weight, grad_bias
        ctx.mark_non_differentiable(entropies)
        return (entropies * weights).sum(), entropies

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        for rows, tokens, scale in ctx.tables:
            if scale.device.type == "cpu" and float(scale * grads[0]) == 1.0:
                continue  # a pass over the table spared; on a GPU asking would be waiting
            for gradient, part in zip(gradients, (tokens, rows, rows), strict=True):
                if gradient is not None:
                    gradient[part].mul_(scale * grads[0])
        return (*gradients, None, None, None, None, None)


def _chunk_size(largest: int) -> tuple[int, int]:
    """Tokens of a chunk, and of what their number is made a multiple; neither is more than `largest`, but for 1."""
    if largest < TOKENS_TOGETHER:
        return max(1, largest), 1
    return largest - largest % TOKENS_TOGETHER, TOKENS_TOGETHER


def _normalise(logits: Tensor, targets: Tensor, weights: Tensor, sums: Tensor | None) -> Tensor:
    """Turn logits `[tokens, ids]`, in place, into the weighted derivatives of their cross-entropies; return these.

    What each id's derivatives sum up to is added to `sums` `[ids]`, float32.
    """
    entropies = torch.empty_like(weights)
    size = max(1, NORMALISED_AT_ONCE[logits.device.type] // logits.shape[1])
    for start in range(0, len(logits), size):
        part, wanted = logits[start : start + size], targets[start : start + size, None]
        slope = part.softmax(1, dtype=torch.float32)
        # log softmax of the wanted, by way of the largest: its own probability may be too small for a number.
        below = part.amax(1).float() - part.gather(1, wanted)[:, 0].float()
        entropies[start : start + size] = below - slope.amax(1).log()
        # The softmax, minus 1 at the target: d entropy / d logits.
        slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
        slope.mul_(weights[start : start + size, None])
        part.copy_(slope)
        if sums is not None:
            sums += slope.sum(0)
    return entropies


def chunked_entropy(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    weights: Tensor,
    at_once: int | None = None,
    tables: Sequence[Table] | None = None,
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies of linear logits, and each token's cross-entropy (without gradient).

    x `[tokens, hidden]` float32; weight `[ids, hidden]`; bias `[ids]`; targets `[tokens]`; weights `[tokens]`, not
    negative. Equals `(cross_entropy(linear(x, weight, bias), targets, reduction="none") * weights).sum()`, with the
    products in autocast's dtype where that is on, and no tensor of more than `at_once` logits, or one token's (default:
    what suits the device). Its backward pass can run once.

    `tables`: parts of the ids that score parts of the tokens, (rows, tokens); together all rows, once, and all tokens;
    the targets are ids within them. By default all rows score all tokens.
    """
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    if at_once is None:
        at_once = LOGITS_AT_ONCE[kind]
    if tables is None:
        tables = [(slice(0, len(weight)), slice(0, len(x)))]
    results = _ChunkedEntropy.apply(x, weight, bias, targets, weights, dtype, at_once, tables)  # type: ignore[no-untyped-call]
    total, entropies = results
    return total, entropies
