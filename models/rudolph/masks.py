"""Which keys a query may see, layer by layer. Causal everywhere; between two image positions, sparse.

Source: the published RUDOLPH masks (after ruDALL-E, after DALL-E's sparse transformer), in closed form.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from models.rudolph.config import Config

MaskKind: TypeAlias = Literal["row", "col", "conv", "last_conv"]
MASK_KINDS: tuple[MaskKind, ...] = ("row", "col", "conv", "last_conv")


def layer_kind(layer: int, num_layers: int) -> MaskKind:
    """Kind of mask of a layer (0-based). The column rule is checked first, so a last layer may be a column layer."""
    if layer % 4 == 1:
        return "col"
    if layer == num_layers - 1:
        return "last_conv"
    return "conv" if layer % 4 == 3 else "row"


def image_mask(kind: MaskKind, dim: int, kernel: int) -> Tensor:
    """Allowed keys between the positions of a `dim x dim` image, causal: bool `[query, key]`.

    row: the last `dim` positions; col: the same column; conv and last_conv: a `kernel x kernel` window and itself.
    """
    position = torch.arange(dim * dim)
    query, key = position[:, None], position[None, :]
    if kind == "row":
        allowed = query - key <= dim
    elif kind == "col":
        allowed = (query - key) % dim == 0
    else:
        reach = kernel // 2
        rows = (query // dim - key // dim).abs() <= reach
        columns = (query % dim - key % dim).abs() <= reach
        allowed = (rows & columns) | (query == key)
    return allowed & (key <= query)


def sequence_mask(kind: MaskKind, config: Config) -> Tensor:
    """Allowed keys of a whole sequence [left text | image | right text]: bool `[query, key]`."""
    size = config.total_seq_length
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    image = slice(config.l_text_seq_length, config.prefix_length)
    kernel = config.last_kernel_size if kind == "last_conv" else config.kernel_size
    mask[image, image] = image_mask(kind, config.image_tokens_per_dim, kernel)
    return mask
