"""A linear layer whose products in half precision a processor makes in its kernels' own order while it trains."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.rudolph.packed import packable
from models.rudolph.products import product

FEWEST_TOKENS = 1024  # to which packing a weight anew pays


class _HalfLinear(torch.autograd.Function):
    """As autocast, which gives a float32 layer half precision; each direction in the quickest order of its operands."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        own, table, offset = x.to(dtype), weight.to(dtype), bias.to(dtype)
        ctx.save_for_backward(own, table)
        ctx.kinds = x.dtype, weight.dtype, bias.dtype
        wider = weight.shape[0] >= weight.shape[1]
        if not (wider and own.numel() // own.shape[-1] >= FEWEST_TOKENS and packable(table)):
            return F.linear(own, table, offset)
        packed = torch.ops.mkldnn._reorder_linear_weight(table)
        output: Tensor = torch.ops.mkldnn._linear_pointwise(own, packed, offset, "none", [], "")
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        own, table = ctx.saved_tensors
        slope = grads[0].reshape(-1, table.shape[0])  # [tokens, out]
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_x = product(slope, table).view(own.shape).to(ctx.kinds[0])
        if ctx.needs_input_grad[1]:
            to_weight = product(slope.t(), own.reshape(-1, table.shape[1])).to(ctx.kinds[1])
        if ctx.needs_input_grad[2]:
            to_bias = slope.sum(0).to(ctx.kinds[2])
        return to_x, to_weight, to_bias, None


class TrainableLinear(nn.Linear):
    """As `nn.Linear`; under a processor's autocast with products of its own."""

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` -> `[..., out]`."""
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
            return super().forward(x)
        output: Tensor = _HalfLinear.apply(x, self.weight, self.bias, torch.get_autocast_dtype("cpu"))  # type: ignore[no-untyped-call]
        return output
