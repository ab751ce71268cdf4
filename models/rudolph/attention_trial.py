"""Whether attention by pieces is right on the device at hand: tried once, on few numbers, before one depends on it.

Kernels differ by GPU, driver and version of torch; what is asked of them here is more than their usual callers ask.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.rudolph.geometry import MaskKind
from models.rudolph.masks import sequence_mask
from models.rudolph.piecewise_attention import PiecewiseAttention

BATCH, HEADS = 2, 2  # more than one of each, so that a wrong stride shows
# Largest error of the output and of each gradient, as a share of its norm.
LARGEST_ERROR = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 2e-2}
DROPOUT, LARGEST_DROPOUT_ERROR = 0.3, 0.1  # an error of 1 or so where both directions drop other weights


def problem_of(attention: PiecewiseAttention, device: torch.device, dtype: torch.dtype, *, dropout: bool) -> str:
    """What is wrong with it on a device, in a precision; empty: nothing. `dropout`: whether weights will be dropped.

    Values and gradients of every kind of layer are compared with the plain formula in float32. What was dropped can not
    be compared; but an output is linear in the values, so that slope x output and value's gradient x value agree if
    both directions dropped the same. Raises torch.OutOfMemoryError.
    """
    try:
        return next(_problems(attention, device, dtype, dropout), "")
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:  # a kernel or a form of it is not there
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _problems(attention: PiecewiseAttention, device: torch.device, dtype: torch.dtype, dropout: bool) -> Iterator[str]:
    config = attention.config
    kinds = sorted(set(config.layer_kinds))
    lengths = {
        config.l_text_seq_length,
        min(config.prefix_length + 3, config.total_seq_length),
        config.total_seq_length,
    }
    for kind in kinds:
        for n in sorted(lengths):
            error = _error(attention, kind, n, device, dtype)
            if not error <= LARGEST_ERROR[dtype]:
                yield f"wrong by {error:.1e} in {kind} layers, {n} tokens"
        if dropout and not (error := _dropout_error(attention, kind, device, dtype)) <= LARGEST_DROPOUT_ERROR:
            yield f"what is dropped in {kind} layers differs by {error:.1e} between both directions"


def _inputs(attention: PiecewiseAttention, n: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Query, key and value as a layer has them, views of one tensor `[batch, n, 3, heads, head_dim]`; and a slope."""
    generator, size = torch.Generator().manual_seed(0), attention.config.head_dim
    fused = torch.randn(BATCH, n, 3, HEADS, size, generator=generator).to(device, dtype)
    slope = torch.randn(BATCH, n, HEADS, size, generator=generator).to(device, dtype)
    return fused.requires_grad_(), slope.transpose(1, 2)


def _split(fused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = fused.permute(2, 0, 3, 1, 4)
    return query, key, value


def _error(attention: PiecewiseAttention, kind: MaskKind, n: int, device: torch.device, dtype: torch.dtype) -> float:
    fused, slope = _inputs(attention, n, device, dtype)
    found = attention(*_split(fused), kind)
    (gradient,) = torch.autograd.grad(found, fused, slope)
    mask = sequence_mask(kind, attention.config)[:n, :n].to(device)
    exact = fused.detach().float().requires_grad_()
    query, key, value = _split(exact)
    scores = (query @ key.transpose(2, 3) * attention.config.head_dim**-0.5).masked_fill(~mask, -torch.inf)
    expected = scores.softmax(-1) @ value
    (wanted,) = torch.autograd.grad(expected, exact, slope.float())
    found, expected = found.detach(), expected.detach()
    pairs = [(found, expected), *((gradient[:, :, part], wanted[:, :, part]) for part in range(3))]
    return max(float((one.float() - other).norm() / other.norm()) for one, other in pairs)


def _dropout_error(attention: PiecewiseAttention, kind: MaskKind, device: torch.device, dtype: torch.dtype) -> float:
    fused, slope = _inputs(attention, attention.config.total_seq_length, device, dtype)
    found = attention(*_split(fused), kind, DROPOUT)
    (gradient,) = torch.autograd.grad(found, fused, slope)
    forwards = found.detach().double() * slope.double()
    backwards = gradient[:, :, 2].double() * fused.detach()[:, :, 2].double()
    # Of sums of so many numbers of both signs, what one of them weighs.
    return float((forwards.sum() - backwards.sum()).abs() / forwards.norm())
