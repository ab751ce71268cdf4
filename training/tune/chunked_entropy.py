"""Output layer and cross-entropy together, chunk by chunk of tokens: the logits of a batch never exist as a whole."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Elements of a chunk's logits. A processor likes them in its cache; a GPU wants large products.
LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}


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
    ) -> tuple[Tensor, Tensor]:
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        table, offset = weight.to(dtype), bias.to(dtype)
        # The gradients of logits are tiny: in `dtype` they are kept near 1, else float16 would lose them.
        scale = weights.max().clamp_min(torch.finfo(torch.float32).tiny)
        entropies = torch.empty_like(weights)
        grad_x = torch.empty_like(x) if needs_x else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if needs_bias else None
        size = max(1, at_once // weight.shape[0])
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            tokens = x[part].to(dtype)  # [tokens, hidden]
            logits = F.linear(tokens, table, offset).float()  # [tokens, ids]
            wanted = targets[part, None]
            total = logits.logsumexp(1, keepdim=True)
            entropies[part] = (total - logits.gather(1, wanted))[:, 0]
            if not (needs_x or needs_weight or needs_bias):
                continue
            slope = logits.sub_(total).exp_()  # softmax, then minus 1 at the target: d entropy / d logits
            slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0))
            slope.mul_((weights[part] / scale)[:, None])
            if grad_bias is not None:
                grad_bias += slope.sum(0)
            slope = slope.to(dtype)
            if grad_x is not None:
                grad_x[part] = slope @ table
            if grad_weight is not None:
                grad_weight += slope.T @ tokens
        ctx.gradients = tuple(None if g is None else g.mul_(scale) for g in (grad_x, grad_weight, grad_bias))
        ctx.mark_non_differentiable(entropies)
        return (entropies * weights).sum(), entropies

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        return (*(None if g is None else g.mul_(grads[0]) for g in gradients), None, None, None, None)


def chunked_entropy(
    x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, weights: Tensor, at_once: int | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the cross-entropies of linear logits, and each token's cross-entropy (without gradient).

    x `[tokens, hidden]` float32; weight `[ids, hidden]`; bias `[ids]`; targets `[tokens]`; weights `[tokens]`, not
    negative. Equals `(cross_entropy(linear(x, weight, bias), targets, reduction="none") * weights).sum()`, with the
    products in autocast's dtype where that is on, and no tensor of more than `at_once` logits, or one token's (default:
    what suits the device). Its backward pass can run once.
    """
    kind = x.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    if at_once is None:
        at_once = LOGITS_AT_ONCE[kind]
    results = _ChunkedEntropy.apply(x, weight, bias, targets, weights, dtype, at_once)  # type: ignore[no-untyped-call]
    total, entropies = results
    return total, entropies
