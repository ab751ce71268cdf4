"""A layer's mask as a few pieces: consecutive queries and keys, most of which see each other without any mask.

Of a whole sequence [left text | image | right text], all but a part of the image's own scores are everything, or
causal. Which keys a query sees in several pieces is put together behind them (`piecewise_attention`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.masks import image_mask

IMAGE_QUERIES = 192  # of a piece with a mask, at most
TOGETHER = 64  # queries that a GPU's kernels take at once: pieces end at multiples of it
FEWEST_APART = 64  # keys that nobody sees, from which on those before and behind them are pieces of their own


@dataclass(frozen=True)
class Piece:
    """The scores of queries `rows` for keys `keys`: all of them, the causal ones, or those `seen` (bool).

    With `columns`, both are the image as a square of that side, of which each column attends to itself alone, causally.
    `first_of_rows`, `first_of_keys`: nothing was written for these places by the pieces before it, and all later pieces
    that touch them lie within.
    """

    rows: slice
    keys: slice
    causal: bool = False
    seen: Tensor | None = None
    columns: int = 0
    first_of_rows: bool = False
    first_of_keys: bool = False

    def gathered(self, x: Tensor, places: slice) -> Tensor:
        """What belongs to the piece's queries or keys, `[batch, heads, n, head_dim]`; columns are rows of a batch."""
        own = x[:, :, places]
        if not self.columns:
            return own
        batch, heads, _, size = own.shape
        square = own.reshape(batch, heads, self.columns, self.columns, size).permute(0, 3, 1, 2, 4)
        return square.reshape(batch * self.columns, heads, self.columns, size)

    def gathered_numbers(self, x: Tensor) -> Tensor:
        """The same of a number a query, `[batch, heads, n]`."""
        return self.gathered(x[..., None], self.rows)[..., 0]

    def scattered(self, x: Tensor) -> Tensor:
        """The way back, of `[batch, heads, n, head_dim]`, without a copy where that can be."""
        if not self.columns:
            return x
        square = x.unflatten(0, (-1, self.columns)).permute(0, 2, 3, 1, 4)  # [batch, heads, row, column, head_dim]
        return square.flatten(2, 3)

    def scattered_numbers(self, x: Tensor) -> Tensor:
        """The same of a number a query."""
        return self.scattered(x[..., None])[..., 0]


def text_pieces(config: Geometry, n: int) -> tuple[Piece, ...]:
    """The scores of the first `n` positions in which a text takes part."""
    left, prefix = config.l_text_seq_length, config.prefix_length
    texts, image = (slice(0, min(left, n)), slice(prefix, n)), slice(left, prefix)
    pieces = [Piece(texts[0], texts[0], causal=True, first_of_rows=True, first_of_keys=True)]
    if n > left:
        pieces.append(Piece(slice(left, n), texts[0], first_of_rows=True))
    if n > prefix:
        pieces.append(Piece(texts[1], image, first_of_keys=True))
        pieces.append(Piece(texts[1], texts[1], causal=True, first_of_keys=True))
    return tuple(pieces)


def image_pieces(kind: MaskKind, config: Geometry, n: int) -> Iterator[Piece]:
    """The scores of the first `n` positions that a layer of this kind makes between the image's."""
    left, prefix, dim = config.l_text_seq_length, min(config.prefix_length, n), config.image_tokens_per_dim
    if n <= left:
        return
    if kind == "col" and n >= config.prefix_length:
        yield Piece(slice(left, prefix), slice(left, prefix), causal=True, columns=dim)
        return
    with torch.device("cpu"):  # looked at
        mask = image_mask(kind, dim, config.kernel(kind), config.wraps)[: prefix - left, : prefix - left]
    count = len(mask)
    size = -(-count // max(1, -(-count // IMAGE_QUERIES)))
    size += -size % TOGETHER
    for start in range(0, count, size):
        block = mask[start : start + size]
        for first, last in _runs(block.any(0)):
            seen = block[:, first:last]
            rows = slice(left + start, left + start + len(block))
            yield Piece(rows, slice(left + first, left + last), seen=None if bool(seen.all()) else seen)


def _runs(seen: Tensor) -> list[tuple[int, int]]:
    """Where keys begin and end that are seen `[n]`, but for short gaps."""
    runs: list[tuple[int, int]] = []
    for key in seen.nonzero()[:, 0].tolist():
        if runs and key - runs[-1][1] < FEWEST_APART:
            runs[-1] = runs[-1][0], key + 1
        else:
            runs.append((key, key + 1))
    return runs
