"""Inception-v3 as FID uses it, with the parameter names of pt_inception-2015-12-05.

Where it differs from the classifier of torchvision: average pooling does not count the padding, the last block pools
by the maximum, batch norm's epsilon is 1e-3, and pictures are scaled to 299 pixels and [-1, 1] inside.
"""

from __future__ import annotations

from os import PathLike
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models.weights import load_weights, require_finite, weights_sha256

PUBLISHED_SHA256_PREFIX = "6726825d"  # stands in the published file's name
PICTURE_SIDE, NETWORK_SIDE = 256, 299

Size: TypeAlias = int | tuple[int, int]
# Name, output channels, kernel (height, width), stride: one of stride 1 keeps the size, others have no padding.
Layer: TypeAlias = tuple[str, int, Size, int]
Branches: TypeAlias = tuple[tuple[Layer, ...], ...]
Pooling: TypeAlias = Literal["average", "maximum", "shrinking"]


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels: int, output: int, kernel: Size, stride: int = 1, padding: int | str = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, output, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(output, eps=0.001)
        self.bn.num_batches_tracked = None  # counts training steps; files may lack it

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, output, height, width]."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Branches side by side, joined along the channels.

    Args:
        channels: of the input.
        branches: each a chain of layers; layers whose names end in `a` and `b` both read the one before.
        pooling: of the last branch; `shrinking` halves the size and stands alone, the others are followed by
            `branch_pool`, a 1 x 1 convolution.
        pooled: its output channels.

    """

    def __init__(self, channels: int, branches: Branches, pooling: Pooling, pooled: int = 0) -> None:
        super().__init__()
        self._chains = tuple(tuple(layer[0] for layer in branch) for branch in branches)
        self._pooling = pooling
        for branch in branches:
            width = channels
            for name, output, kernel, stride in branch:
                self.add_module(name, ConvNorm(width, output, kernel, stride, "same" if stride == 1 else 0))
                if not name.endswith("a"):
                    width = output
        if pooling != "shrinking":
            self.branch_pool = ConvNorm(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels in order."""
        joined = []
        for chain in self._chains:
            output, twin = x, None
            for name in chain:
                layer = self.get_submodule(name)
                if name.endswith("a"):
                    twin = layer(output)
                else:
                    output = layer(output)
            joined += [output] if twin is None else [twin, output]
        return torch.cat([*joined, self._pool(x)], dim=1)

    def _pool(self, x: Tensor) -> Tensor:
        if self._pooling == "shrinking":
            return F.max_pool2d(x, 3, stride=2)
        if self._pooling == "maximum":
            return self.branch_pool(F.max_pool2d(x, 3, stride=1, padding=1))
        return self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))


_MIXED_5: Branches = (
    (("branch1x1", 64, 1, 1),),
    (("branch5x5_1", 48, 1, 1), ("branch5x5_2", 64, 5, 1)),
    (("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 1), ("branch3x3dbl_3", 96, 3, 1)),
)
_MIXED_6A: Branches = (
    (("branch3x3", 384, 3, 2),),
    (("branch3x3dbl_1", 64, 1, 1), ("branch3x3dbl_2", 96, 3, 1), ("branch3x3dbl_3", 96, 3, 2)),
)
_MIXED_7A: Branches = (
    (("branch3x3_1", 192, 1, 1), ("branch3x3_2", 320, 3, 2)),
    (
        ("branch7x7x3_1", 192, 1, 1),
        ("branch7x7x3_2", 192, (1, 7), 1),
        ("branch7x7x3_3", 192, (7, 1), 1),
        ("branch7x7x3_4", 192, 3, 2),
    ),
)
_MIXED_7: Branches = (
    (("branch1x1", 320, 1, 1),),
    (("branch3x3_1", 384, 1, 1), ("branch3x3_2a", 384, (1, 3), 1), ("branch3x3_2b", 384, (3, 1), 1)),
    (
        ("branch3x3dbl_1", 448, 1, 1),
        ("branch3x3dbl_2", 384, 3, 1),
        ("branch3x3dbl_3a", 384, (1, 3), 1),
        ("branch3x3dbl_3b", 384, (3, 1), 1),
    ),
)


def _mixed_6(inner: int) -> Branches:
    across, down = (1, 7), (7, 1)
    return (
        (("branch1x1", 192, 1, 1),),
        (("branch7x7_1", inner, 1, 1), ("branch7x7_2", inner, across, 1), ("branch7x7_3", 192, down, 1)),
        (
            ("branch7x7dbl_1", inner, 1, 1),
            ("branch7x7dbl_2", inner, down, 1),
            ("branch7x7dbl_3", inner, across, 1),
            ("branch7x7dbl_4", inner, down, 1),
            ("branch7x7dbl_5", 192, across, 1),
        ),
    )


class Inception(nn.Module):
    """The feature network of FID. Parameters are uninitialised until loaded.

    Args:
        weights_sha256: hash of the file that the weights came from, for signatures and caches.

    """

    def __init__(self, weights_sha256: str = "") -> None:
        super().__init__()
        self.weights_sha256 = weights_sha256
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b = Mixed(192, _MIXED_5, "average", 32)
        self.Mixed_5c = Mixed(256, _MIXED_5, "average", 64)
        self.Mixed_5d = Mixed(288, _MIXED_5, "average", 64)
        self.Mixed_6a = Mixed(288, _MIXED_6A, "shrinking")
        self.Mixed_6b = Mixed(768, _mixed_6(128), "average", 192)
        self.Mixed_6c = Mixed(768, _mixed_6(160), "average", 192)
        self.Mixed_6d = Mixed(768, _mixed_6(160), "average", 192)
        self.Mixed_6e = Mixed(768, _mixed_6(192), "average", 192)
        self.Mixed_7a = Mixed(768, _MIXED_7A, "shrinking")
        self.Mixed_7b = Mixed(1280, _MIXED_7, "average", 192)
        self.Mixed_7c = Mixed(2048, _MIXED_7, "maximum", 192)

    @classmethod
    def from_file(cls, path: str | PathLike[str], device: torch.device | str = "cpu") -> Inception:
        """Load the published file, or one of its names; its classifier `fc` is left out.

        Raises models.weights.WeightsError: every tensor that is missing, unexpected or of another shape is named, and
        one that holds NaN or an infinity.
        """
        with torch.device("meta"):
            network = cls(weights_sha256(path))
        counters = tuple(
            f"{name}.num_batches_tracked" for name, part in network.named_modules() if isinstance(part, nn.BatchNorm2d)
        )
        load_weights(network, path, device=device, dtype=torch.float32, ignore=("fc.", *counters))
        require_finite(network, path)
        return network.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Architecture and weights in short, for signatures."""
        return f"inception-v3-fid-{self.weights_sha256[:8] or 'unsaved'}"

    @property
    def is_published(self) -> bool:
        """Whether the weights are those that published distances were taken with."""
        return self.weights_sha256.startswith(PUBLISHED_SHA256_PREFIX)

    def preprocess(self, picture: Image.Image) -> Tensor:
        """Return [3, 256, 256] in [0, 1]: RGB, stretched by Pillow's (antialiased) bilinear resize."""
        side = (PICTURE_SIDE, PICTURE_SIDE)
        resized = picture.convert("RGB").resize(side, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255

    @torch.no_grad()
    def features(self, pictures: Tensor, dims: Literal[64, 192, 768, 2048] = 2048) -> Tensor:
        """Return [n, dims] of pictures [n, 3, side, side] in [0, 1]: the block of that width, averaged over space."""
        x = pictures.to(self.Conv2d_1a_3x3.conv.weight.device)
        x = 2 * F.interpolate(x, size=(NETWORK_SIDE, NETWORK_SIDE), mode="bilinear", align_corners=False) - 1
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, stride=2)
        if dims == 64:
            return x.mean(dim=(2, 3))
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, stride=2)
        if dims == 192:
            return x.mean(dim=(2, 3))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        if dims == 768:
            return x.mean(dim=(2, 3))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean(dim=(2, 3))
