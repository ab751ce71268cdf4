"""What the centre square of a picture leaves out, as other squares: the whole picture, padded, and its two ends."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.pixels import to_pixels

LEAST_RATIO = 1.2  # of the longer side to the shorter one; below, the centre square shows nearly all


def is_oblong(size: tuple[int, int]) -> bool:
    """Whether a picture of this width and height has more to show than its centre square."""
    return max(size) >= LEAST_RATIO * min(size)


def other_squares(picture: Image.Image, side: int) -> list[Tensor]:
    """Squares of an RGB picture beside its centre's, each float32 `[3, side, side]` in [0, 1]; none of a squarish one.

    The whole, padded with its mean colour; then the square at its left or upper end, and that at the other one.
    """
    if not is_oblong(picture.size):
        return []
    width, height = picture.size
    square = min(picture.size)
    ends = ((0, 0, square, square), (width - square, height - square, width, height))
    return [_padded(picture, side), *(to_pixels(picture.crop(box), side) for box in ends)]


def _padded(picture: Image.Image, side: int) -> Tensor:
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    small = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255  # [3, height, width]
    whole = pixels.mean((1, 2), keepdim=True).repeat(1, side, side)
    top, left = (side - height) // 2, (side - width) // 2
    whole[:, top : top + height, left : left + width] = pixels
    return whole
