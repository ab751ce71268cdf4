"""GELU in its tanh form, with a backward pass that a processor makes in a fraction of the time."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

INNER, CUBIC = math.sqrt(8 / math.pi), 0.044715  # x * sigmoid(INNER * (x + CUBIC * x ** 3))
AT_ONCE = 2**17  # elements whose intermediate results, in float32, fit into a processor's cache


class _Gelu(torch.autograd.Function):
    """Makes the derivative together with the value, chunk by chunk: (1 + tanh(y)) / 2 is sigmoid(2 y), and a processor
    takes a tenth of tanh's time for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        output, slope = torch.empty_like(x), torch.empty_like(x)
        flat, kind = x.reshape(-1), torch.promote_types(x.dtype, torch.float32)
        for start in range(0, flat.numel(), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            own = flat[part].to(kind)
            square = own * own
            share = torch.add(INNER, square, alpha=INNER * CUBIC).mul_(own).sigmoid_()
            value = own * share
            output.view(-1)[part] = value
            # share + x * share * (1 - share) * derivative of what the sigmoid is of
            rise = square.mul_(3 * INNER * CUBIC).add_(INNER).mul_(value)
            slope.view(-1)[part] = rise.addcmul_(rise, share, value=-1.0).add_(share)
        ctx.save_for_backward(slope)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope


def gelu(x: Tensor) -> Tensor:
    """`0.5 x (1 + tanh(0.79788 (x + 0.044715 x ** 3)))` of a tensor of any shape, rounded once."""
    if x.device.type == "cpu" and x.requires_grad and torch.is_grad_enabled():
        output: Tensor = _Gelu.apply(x.contiguous())  # type: ignore[no-untyped-call]
        return output
    return F.gelu(x, approximate="tanh")
