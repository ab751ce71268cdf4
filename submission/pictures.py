"""The network's pixels to JPEG, as published. Knows nothing of samples or networks."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

NEUTRAL_GREY = 127


def is_black(pixels: Tensor) -> bool:
    """Whether every value is zero: how the published inference tells that a sample has no picture."""
    return not bool(pixels.any())


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Network pictures `[b, 3, H, W]` in [0, 1] -> uint8 `[b, H, W, 3]`, truncated and not rounded, as published."""
    array: NDArray[np.uint8] = (images.float() * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return array


def to_jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A picture `[H, W, 3]` -> the bytes of a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def neutral_picture(side: int) -> NDArray[np.uint8]:
    """A plain grey picture `[side, side, 3]`, for a sample that could not be drawn."""
    return np.full((side, side, 3), NEUTRAL_GREY, dtype=np.uint8)
