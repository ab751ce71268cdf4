"""RRDBNet (Wang et al., ESRGAN, 2018; Real-ESRGAN, 2021), in the parameter layout of the published checkpoints.

spandrel 0.4.2 gives the same numbers at all four scales (difference 0), but renames the parameters, takes 32 growing
channels for granted, and wants torchvision; basicsr 1.4.2 has no scale 8 and fails on today's torchvision. Hence ours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.convolution import Conv3x3

CHANNELS = 3
RESIDUAL = 0.2  # the share of a branch that is added to what it came from
SLOPE = 0.2  # of the leaky ReLU
# Scale -> by how much the pixels are unshuffled first, and how many upsamplings by two follow.
SCALES = {1: (4, 2), 2: (2, 2), 4: (1, 2), 8: (1, 3)}


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of which sees all that came before it."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.conv1 = Conv3x3(num_feat, num_grow_ch)
        self.conv2 = Conv3x3(num_feat + num_grow_ch, num_grow_ch)
        self.conv3 = Conv3x3(num_feat + 2 * num_grow_ch, num_grow_ch)
        self.conv4 = Conv3x3(num_feat + 3 * num_grow_ch, num_grow_ch)
        self.conv5 = Conv3x3(num_feat + 4 * num_grow_ch, num_feat)

    def forward(self, x: Tensor) -> Tensor:
        """Transform `[b, num_feat, h, w]`."""
        seen = [x]
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(_leaky(convolution(torch.cat(seen, dim=1))))
        return x + RESIDUAL * self.conv5(torch.cat(seen, dim=1))


class RRDB(nn.Module):
    """A residual block of three residual dense blocks."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        """Transform `[b, num_feat, h, w]`."""
        return x + RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """The super-resolution network; the defaults are those of the published weights.

    Args:
        scale: how many times as large the pictures become: 1, 2, 4 or 8.
        num_feat: channels between the blocks.
        num_block: residual blocks of dense ones.
        num_grow_ch: channels that each convolution of a dense block adds.

    Raises ValueError for another scale.
    """

    def __init__(self, scale: int = 4, num_feat: int = 64, num_block: int = 23, num_grow_ch: int = 32) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale}")
        self.scale = scale
        self.unshuffle, self.upsamplings = SCALES[scale]
        self.conv_first = Conv3x3(CHANNELS * self.unshuffle**2, num_feat)
        self.body = nn.Sequential(*(RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.conv_body = Conv3x3(num_feat, num_feat)
        self.conv_up1 = Conv3x3(num_feat, num_feat)
        self.conv_up2 = Conv3x3(num_feat, num_feat)
        if self.upsamplings == 3:
            self.conv_up3 = Conv3x3(num_feat, num_feat)
        self.conv_hr = Conv3x3(num_feat, num_feat)
        self.conv_last = Conv3x3(num_feat, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures in [0, 1], `[b, 3, h, w]`, to pictures in about [0, 1], `[b, 3, scale * h, scale * w]`.

        Scales 2 and 1 take only sides that are multiples of 2 and 4 (`upscale` takes any).
        """
        x = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        x = x + self.conv_body(self.body(x))
        for number in range(1, self.upsamplings + 1):
            x = _leaky(self.get_submodule(f"conv_up{number}")(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        output: Tensor = self.conv_last(_leaky(self.conv_hr(x)))
        return output
