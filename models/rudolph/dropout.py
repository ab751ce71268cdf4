"""Dropout whose random numbers cost a processor little: sixteen bits an element, four elements a draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 2**16  # the probability of a drop is rounded to a multiple of 1 / LEVELS


def rounded_probability(probability: float) -> float:
    """The share of elements that `kept` drops."""
    return round(probability * LEVELS) / LEVELS


def kept(shape: Sequence[int], probability: float, dtype: torch.dtype) -> Tensor:
    """Draw which elements stay, on the CPU: 1 where one does, 0 where it is dropped; from torch's default generator.

    torch's own `bernoulli_` draws a 64-bit number an element there, and takes ten times as long.
    """
    count = torch.Size(shape).numel()
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    parts = draws.view(torch.int16)[:count].view(*shape)  # -LEVELS / 2 .. LEVELS / 2 - 1
    # Compared into the wanted type: several times faster than turning the comparison's booleans into it.
    stay = torch.empty(*shape, dtype=dtype)
    torch.ge(parts, round(probability * LEVELS) - LEVELS // 2, out=stay)
    return stay


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        mask = kept(x.shape, probability, x.dtype)
        ctx.save_for_backward(mask)
        ctx.scale = 1.0 / (1.0 - rounded_probability(probability))
        return (x * mask).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return (grads[0] * mask).mul_(ctx.scale), None


class Dropout(nn.Module):
    """As `nn.Dropout`: elements are dropped with `probability` in training, and the others scaled up."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of a tensor of any shape."""
        if not self.training:
            return x
        if x.device.type != "cpu" or not 0.0 < rounded_probability(self.probability) < 1.0:
            return F.dropout(x, self.probability)
        output: Tensor = _Dropout.apply(x, self.probability)  # type: ignore[no-untyped-call]
        return output
