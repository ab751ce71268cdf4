"""What to keep of a picture when the rest is drawn anew: codes at the kept places, -1 where the model is free.

A grid of codes has a row for every `factor` pixels. Source: the published ruDALL-E's image prompts, checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import TypeAlias

import torch
from torch import Tensor

FREE = -1

Encode: TypeAlias = Callable[[Tensor], Tensor]  # pictures in [0, 1], [b, 3, H, W] -> codes, int64 [b, H/f * W/f]


@dataclass(frozen=True)
class Borders:
    """How many rows of codes are kept at the top and the bottom, and how many columns on the left and the right.

    Raises ValueError for a negative number.
    """

    up: int = 0
    down: int = 0
    left: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        if min(astuple(self)) < 0:
            raise ValueError(f"borders must not be negative: {self}")

    def kept(self, rows: int, columns: int) -> Tensor:
        """Which places of a grid are kept: bool `[rows, columns]`. A border wider than the grid keeps all of it."""
        row, column = torch.arange(rows)[:, None], torch.arange(columns)
        vertical = (row < self.up) | (row >= rows - self.down)
        return vertical | (column < self.left) | (column >= columns - self.right)


def _grid(picture: Tensor, factor: int) -> tuple[int, int]:
    _, height, width = picture.shape
    if height % factor or width % factor:
        raise ValueError(f"a picture's sides must be multiples of {factor}, not {height} x {width}")
    return height // factor, width // factor


def border_prompt(
    encode: Encode, picture: Tensor, borders: Borders, *, factor: int = 8, crop_first: bool = False
) -> Tensor:
    """Keep a picture's borders: picture in [0, 1], `[3, H, W]` -> int64 `[H/f * W/f]`, -1 in the middle.

    With `crop_first` each strip is encoded alone, so that nothing of the middle shows through; at the corners the left
    strip wins over the right one, the right over the lower, and the upper over all, as published.
    Raises ValueError where the sides are no multiples of `factor`.
    """
    rows, columns = _grid(picture, factor)
    kept = borders.kept(rows, columns)
    if not crop_first:
        codes = encode(picture[None]).view(rows, columns)
    else:
        codes = torch.full((rows, columns), FREE)
        up, down = min(borders.up, rows), min(borders.down, rows)
        left, right = min(borders.left, columns), min(borders.right, columns)
        everything = slice(None)
        strips = [
            (down, slice(rows - down, rows), everything),
            (right, everything, slice(columns - right, columns)),
            (left, everything, slice(0, left)),
            (up, slice(0, up), everything),
        ]
        for size, at_rows, at_columns in strips:
            if size:
                strip = picture[:, _pixels(at_rows, factor), _pixels(at_columns, factor)]
                target = codes[at_rows, at_columns]
                target[:] = encode(strip[None]).view(target.shape)
    return torch.where(kept, codes.cpu(), FREE).flatten()


def _pixels(codes: slice, factor: int) -> slice:
    return codes if codes.start is None else slice(codes.start * factor, codes.stop * factor)


def mask_prompt(encode: Encode, picture: Tensor, redrawn: Tensor, *, factor: int = 8) -> Tensor:
    """Keep a picture but for a masked part (inpainting): int64 `[H/f * W/f]`, -1 where it is drawn anew.

    picture in [0, 1], `[3, H, W]`; redrawn bool `[H, W]`. A code is drawn anew if any of its pixels is masked.
    Raises ValueError for a mask of another size, or sides that are no multiples of `factor`.
    """
    rows, columns = _grid(picture, factor)
    if redrawn.shape != picture.shape[1:]:
        raise ValueError(f"a mask must have the picture's size {list(picture.shape[1:])}, not {list(redrawn.shape)}")
    free = redrawn.view(rows, factor, columns, factor).any(3).any(1)
    codes = encode(picture[None]).view(rows, columns).cpu()
    return torch.where(free, FREE, codes).flatten()
