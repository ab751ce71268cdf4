"""Pictures as people have them: codes and pixels to files, several on one sheet, and pictures in, as tensors."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from contest.pictures import open_picture
from contest.writing import write_bytes
from errors import UserError
from models.pixels import to_bytes, to_pixels
from models.vqgan import VQGAN

SHEET_NAME = "contact_sheet.png"
GAP = 4  # pixels between the pictures of a sheet


class PictureMissingError(UserError):
    """There is no file where a picture was named."""


class MaskError(UserError):
    """A mask does not fit its picture."""


@torch.inference_mode()
def decoded(vqgan: VQGAN, codes: Tensor, batch: int) -> list[NDArray[np.uint8]]:
    """Pixels of codes `[n, I]`: each uint8 `[H, W, 3]`."""
    device = vqgan.post_quant_conv.weight.device
    return [pixels for part in codes.split(batch) for pixels in to_bytes(vqgan.decode(part.to(device)))]


def save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write pixels `[H, W, 3]` as PNG, whole or not at all. Raises ContestError."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def contact_sheet(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put pictures of one size on a white sheet, row by row, as square as it gets."""
    height, width, _ = pictures[0].shape
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def read_square(path: Path, side: int) -> Tensor:
    """Read a picture as the networks see it, its centre square resized: float32 `[3, side, side]` in [0, 1].

    Raises PictureMissingError, ContestError for what is no picture.
    """
    return to_pixels(_opened(path), side)


def read_mask(path: Path, picture: Path, side: int) -> Tensor:
    """Read which pixels are drawn anew, white in a picture of the other's size: bool `[side, side]`.

    Raises MaskError for one of another size, or one in which nothing is white; PictureMissingError, ContestError.
    """
    mask, original = _opened(path), _opened(picture)
    if mask.size != original.size:
        sizes = f"{mask.width} x {mask.height} pixels, and the picture {original.width} x {original.height}"
        raise MaskError(f"the mask has {sizes}", "make it as large as the picture", where=str(path))
    white = to_pixels(mask, side).mean(0) >= 0.5
    if not white.any():
        raise MaskError(
            "nothing in it is white, so nothing would be drawn", "paint white what to draw", where=str(path)
        )
    return white


def _opened(path: Path) -> Image.Image:
    if not path.exists():
        raise PictureMissingError("there is no such file", "check the path of the picture", where=str(path))
    return open_picture(path)
