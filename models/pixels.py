"""Pictures to the pixels that networks take, as published."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_pixels(picture: Image.Image, side: int) -> Tensor:
    """Return the centre square of an RGB picture, resized: float32 `[3, side, side]` in [0, 1].

    Bilinear with antialiasing (Pillow's own filter). An odd surplus is halved downwards, as published; where width and
    height differ by one, the published crop takes this or the other square at random.
    """
    width, height = picture.size
    square = min(width, height)
    left, top = (width - square) // 2, (height - square) // 2
    box = (left, top, left + square, top + square)
    resized = picture.crop(box).resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255
