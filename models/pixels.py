"""Pictures to the pixels that networks take, and back, as published."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
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


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Network pictures `[b, 3, H, W]` in [0, 1] -> uint8 `[b, H, W, 3]`, truncated and not rounded, as published."""
    array: NDArray[np.uint8] = (images.float() * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return array
