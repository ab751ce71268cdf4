"""Pictures enlarged piece by piece, so that a large one needs no more memory than a small one.

The published code (ruDALL-E's RealESRGAN.predict) counts the patches of a row in the *padded* picture. Where twice the
padding reaches a patch's size, that is one too many and every row after the first is shifted: the picture is scrambled.
That mistake is not reproduced here: the number of patches is counted where they are cut. Everywhere else the results
are the published ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.rrdbnet.network import RRDBNet


@dataclass(frozen=True)
class Patches:
    """How a picture is cut: defaults as published, all in pixels of the small picture.

    A mirrored `border` is put round the picture and cut off the result; each patch of `size` is seen with `padding`
    pixels of its surroundings, whose result is thrown away.

    Raises ValueError naming the field.
    """

    size: int = 192
    padding: int = 24
    border: int = 15

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")
        for name in ("padding", "border"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")


PUBLISHED_PATCHES = Patches()


def mirrored(picture: Tensor, border: int) -> Tensor:
    """Put a mirror image of its edge round a picture `[3, h, w]`, the outermost row itself included.

    A picture smaller than the border is mirrored again and again, as between two mirrors.
    """

    def reflected(side: int) -> Tensor:
        position = torch.arange(-border, side + border) % (2 * side)
        return torch.minimum(position, 2 * side - 1 - position)

    _, height, width = picture.shape
    return picture[:, reflected(height)][:, :, reflected(width)]


def cut(picture: Tensor, patches: Patches) -> tuple[Tensor, tuple[int, int]]:
    """Cut a picture `[3, h, w]` into patches with their surroundings: `[n, 3, side, side]`, (rows, columns) of them.

    Right and below, and beyond the picture, the outermost pixels are repeated.
    """
    _, height, width = picture.shape
    rows, columns = -(-height // patches.size), -(-width // patches.size)
    y = torch.arange(-patches.padding, rows * patches.size + patches.padding).clamp(0, height - 1)
    x = torch.arange(-patches.padding, columns * patches.size + patches.padding).clamp(0, width - 1)
    side = patches.size + 2 * patches.padding
    windows = picture[:, y][:, :, x].unfold(1, side, patches.size).unfold(2, side, patches.size)
    return windows.permute(1, 2, 0, 3, 4).flatten(0, 1), (rows, columns)


def put_together(pieces: Tensor, grid: tuple[int, int], height: int, width: int) -> Tensor:
    """Put pieces without surroundings `[n, 3, size, size]` together, and cut them to `[3, height, width]`."""
    rows, columns = grid
    lines = pieces.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)  # [3, rows, size, columns, size]
    return lines.flatten(3).flatten(1, 2)[:, :height, :width]


@torch.inference_mode()
def upscale(network: RRDBNet, picture: Tensor, patches: Patches = PUBLISHED_PATCHES, *, batch: int = 4) -> Tensor:
    """Enlarge a picture: uint8 `[h, w, 3]` to uint8 `[scale * h, scale * w, 3]`, on the CPU.

    Raises ValueError for a tensor of another form, or where the sides of a patch are not a multiple of what the scale
    asks (2 for scale 2, 4 for scale 1).
    """
    if picture.dim() != 3 or picture.shape[2] != 3 or picture.dtype != torch.uint8 or not picture.numel():
        raise ValueError(f"a picture must be uint8 [h, w, 3], not {picture.dtype} {list(picture.shape)}")
    if (patches.size + 2 * patches.padding) % network.unshuffle:
        raise ValueError(f"size + 2 * padding must be a multiple of {network.unshuffle} at scale {network.scale}")
    scale = network.scale
    framed = mirrored(picture.permute(2, 0, 1), patches.border)
    whole, grid = cut(framed, patches)
    results = torch.cat(list(enlarged_pieces(network, whole, patches.padding * scale, batch)))
    enlarged = put_together(results, grid, framed.shape[1] * scale, framed.shape[2] * scale)
    border = patches.border * scale
    height, width = picture.shape[0] * scale, picture.shape[1] * scale
    return enlarged[:, border : border + height, border : border + width].permute(1, 2, 0).contiguous()


def enlarged_pieces(network: RRDBNet, patches: Tensor, surroundings: int, batch: int) -> Iterator[Tensor]:
    """Enlarge patches, a batch at a time, and cut their surroundings off: uint8, truncated as published."""
    weight = network.conv_first.weight
    for chunk in patches.split(batch):
        # Divided in double precision and then rounded, as published; multiplied likewise.
        pixels = (chunk.double() / 255).float().to(weight.device, weight.dtype)
        enlarged = network(pixels).clamp(0, 1).float().cpu()
        if surroundings:
            enlarged = enlarged[:, :, surroundings:-surroundings, surroundings:-surroundings]
        yield (enlarged.double() * 255).to(torch.uint8)
