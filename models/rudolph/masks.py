"""Which keys a query may see, layer by layer. Causal everywhere; between two image positions, sparse.

Source: the published RUDOLPH masks (after ruDALL-E, after DALL-E's sparse transformer), in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.rudolph.geometry import Geometry, MaskKind


def image_mask(kind: MaskKind, dim: int, kernel: int, wraps: bool = False) -> Tensor:
    """Allowed keys between the positions of a `dim x dim` image, causal: bool `[query, key]`.

    row: the last `dim` positions; col: the same column; conv and last_conv: a `kernel x kernel` window and itself,
    which with `wraps` goes on at the opposite border.
    """
    position = torch.arange(dim * dim)
    query, key = position[:, None], position[None, :]
    if kind == "row":
        allowed = query - key <= dim
    elif kind == "col":
        allowed = (query - key) % dim == 0
    else:
        reach = kernel // 2
        rows, columns = (query // dim - key // dim).abs(), (query % dim - key % dim).abs()
        if wraps:
            rows, columns = rows.minimum(dim - rows), columns.minimum(dim - columns)
        allowed = ((rows <= reach) & (columns <= reach)) | (query == key)
    return allowed & (key <= query)


def sequence_mask(kind: MaskKind, config: Geometry) -> Tensor:
    """Allowed keys of a whole sequence [left text | image | right text]: bool `[query, key]`."""
    size = config.total_seq_length
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    image = slice(config.l_text_seq_length, config.prefix_length)
    mask[image, image] = image_mask(kind, config.image_tokens_per_dim, config.kernel(kind), config.wraps)
    return mask


def grouped_positions(kind: MaskKind, config: Geometry, n: int) -> Tensor | None:
    """An order of a sequence's first `n` positions in which neighbours see mostly the same keys: int64 `[n]`.

    None: as they are. Where image positions see their own column, the columns one after the other.
    """
    left, dim, prefix = config.l_text_seq_length, config.image_tokens_per_dim, config.prefix_length
    if kind != "col" or n <= left:
        return None
    columns = [place for column in range(left, left + dim) for place in range(column, prefix, dim)]
    return torch.tensor([place for place in (*range(left), *columns, *range(prefix, n)) if place < n])
