"""3x3 convolutions by Winograd's minimal filtering, where a processor computes them for inference.

A tile of 6x6 outputs takes 64 products a pair of channels instead of 324: Lavin, Gray, "Fast Algorithms for
Convolutional Neural Networks", arXiv:1509.09308. The kernels are those of NNPACK, which is part of torch. They round
otherwise than direct sums: rendered pixels in [0, 1] are 4e-5 off at most, and no more codes of pictures change.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE, TRANSFORMED = 6, 64  # outputs along each side of a tile, and numbers that one becomes in between
# A call transforms its weights first, which takes as long as some 1,600 products a pair of channels: with 64 for each
# of nine tiles that is what direct sums at 16x16 places take. From there on several pictures gain, and larger ones.
LEAST_PLACES = 16 * 16
LEAST_CHANNELS = 32  # for which a transformed input is used often enough: the first layer has three colours
MOST_WORKSPACE = 160 * 2**20  # bytes of a call beyond its output: larger grids are summed directly, which takes none
TOGETHER_PLACES = 40 * 40  # up to which pictures share a call: beyond, copying them takes longer than their weights


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution of stride 1 that keeps the size of a grid padded with zeros."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c_in, h, w] -> [b, c_out, h, w]."""
        if not len(x) or torch.is_grad_enabled() or not has_kernels(x):
            return super().forward(x)
        places = x[0, 0].numel()
        if x.shape[1] < LEAST_CHANNELS or places < LEAST_PLACES:
            return super().forward(x)
        if workspace_bytes(max(self.in_channels, self.out_channels), math.isqrt(places - 1) + 1) > MOST_WORKSPACE:
            return super().forward(x)
        assert self.bias is not None
        parts = [_tiled(part, self.weight, self.bias) for part in x.split(len(x) if places <= TOGETHER_PLACES else 1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def has_kernels(x: Tensor) -> bool:
    """Whether NNPACK has kernels for a tensor's device and precision. It has none on some processors and systems."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and _is_built_in() and torch._nnpack_available()


def _is_built_in() -> bool:
    """Whether this torch still calls NNPACK by these names, which it promises to nobody."""
    return hasattr(torch, "_nnpack_available") and hasattr(torch, "_nnpack_spatial_convolution")


def workspace_bytes(channels: int, side: int) -> int:
    """Bytes that a call takes for itself, of as many channels in as out: transformed weights, inputs and outputs.

    Each thread keeps those of its widest call.
    """
    tiles = math.ceil(side / TILE) ** 2
    return TRANSFORMED * torch.float32.itemsize * channels * (channels + 2 * tiles)


def _tiled(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The convolution in one call, for which the weights are transformed once.

    Several pictures become one tall picture, zeros between them. Each begins at a tile, so that its numbers do not
    depend on how many there are.
    """
    count, height = len(x), x.shape[2]
    if count == 1:
        return torch._nnpack_spatial_convolution(x, weight, bias, 1)
    pitch = TILE * math.ceil((height + 1) / TILE)
    tall = F.pad(x, (0, 0, 0, pitch - height)).transpose(0, 1).flatten(1, 2)  # [c_in, b pitch, w]
    output = torch._nnpack_spatial_convolution(tall[None], weight, bias, 1)[0]  # [c_out, b pitch, w]
    return output.unflatten(1, (count, pitch))[:, :, :height].transpose(0, 1).contiguous()
