"""Random weights in which heads that look things up are already laid out, instead of left to be found.

A small network finds out late that what followed a token before will follow it again (the "induction heads" of Olsson
et al., In-context Learning and Induction Heads, 2022): two layers have to learn parts of one circuit, and neither is of
use without the other. Laid out at the start, as in Trockman and Kolter, Mimetic Initialization of Self-Attention
Layers, 2023, training only has to sharpen it:

* the first channels of every text embedding belong to its position, in sines and cosines; the others to the token;
* in the layers named by `PAIRS`, head h looks `OFFSETS[h]` tokens back and writes down which token stood there;
* in the layer behind each, head h looks for places that wrote down the token which is here now.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.rudolph import Rudolph
from models.rudolph.transformer import Attention, Layer
from training.tune.errors import SettingsError

OFFSETS = (1, 2, 3)
PAIRS = ((0, 1), (2, 3))  # (layer that looks back, layer that looks for)
FREQUENCIES = (0.05, 3.0)  # radians a position: so irregular and fast that no two places within a text look alike
SHARPNESS = 1.3  # scale of queries and keys of the heads that look back: 99 % of their attention goes there


def lay_out_induction(model: Rudolph, seed: int) -> None:
    """Set embeddings and heads of a model with random weights, in place.

    Raises `SettingsError` for a model that is too small for it, or whose heads have an odd width.
    """
    config = model.config
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    if config.num_layers <= PAIRS[-1][-1] or heads < len(OFFSETS) + 1 or width % 2:
        raise SettingsError(
            f"model.initialization: induction needs {PAIRS[-1][-1] + 1} layers and {len(OFFSETS) + 1} heads of an even "
            f"width; the model has {config.num_layers} layers and {heads} heads of width {width}"
        )
    generator = torch.Generator().manual_seed(seed)
    low, high = FREQUENCIES
    omega = torch.rand(width // 2, generator=generator) * (high - low) + low  # [width / 2]
    with torch.no_grad():
        _embeddings(model, omega)
        for back, onward in PAIRS:
            _pair(model, back, onward, omega, generator)


def _embeddings(model: Rudolph, omega: Tensor) -> None:
    """Tokens of unit variance outside the position's channels; positions of unit variance in them, and only there."""
    width = 2 * len(omega)
    grid = (model.image_row_embeddings, model.image_col_embeddings)
    for table in (model.text_embeddings, model.image_embeddings, *grid):
        table.weight.div_(table.weight.std())
    model.text_embeddings.weight[:, :width] = 0.0
    # The right text's positions go on where the left text's end.
    start = 0
    for table in (model.l_text_pos_embeddings, model.r_text_pos_embeddings):
        angle = torch.arange(start, start + table.num_embeddings)[:, None] * omega  # [positions, width / 2]
        table.weight.zero_()
        table.weight[:, :width] = math.sqrt(2.0) * torch.cat((angle.sin(), angle.cos()), dim=1)
        start += model.config.l_text_seq_length


def _pair(model: Rudolph, back: int, onward: int, omega: Tensor, generator: torch.Generator) -> None:
    """Lay out the heads of two layers, one that looks back and one that looks for what it wrote."""
    config = model.config
    heads, hidden = config.num_attention_heads, config.hidden_size
    width = hidden // heads
    first, second = (_attention(model, layer) for layer in (back, onward))
    looking_back = first.query_key_value.weight.view(3, heads, width, hidden)
    looking_for = second.query_key_value.weight.view(3, heads, width, hidden)
    for head, offset in enumerate(OFFSETS):
        token = torch.randn(width, hidden, generator=generator)  # what is kept of a token: [width, hidden]
        token[:, :width] = 0.0
        token /= token.norm(dim=1, keepdim=True)
        written = torch.linalg.qr(torch.randn(hidden, width, generator=generator))[0]  # where to: [hidden, width]
        looking_back[0, head] = SHARPNESS * _turned_back(omega, offset, hidden)
        looking_back[1, head] = SHARPNESS * torch.eye(width, hidden)
        looking_back[2, head] = token
        first.dense.weight[:, head * width : (head + 1) * width] = written
        looking_for[0, head] = token
        looking_for[1, head] = written.T


def _attention(model: Rudolph, number: int) -> Attention:
    layer = model.transformer.layers[number]
    assert isinstance(layer, Layer)
    return layer.attention


def _turned_back(omega: Tensor, offset: int, hidden: int) -> Tensor:
    """The map from a position's channels to those of the position `offset` before: `[width, hidden]`."""
    half = len(omega)
    cosine, sine = torch.diag((omega * offset).cos()), torch.diag((omega * offset).sin())
    turned = torch.zeros(2 * half, hidden)
    turned[:half, :half], turned[:half, half : 2 * half] = cosine, -sine
    turned[half:, half : 2 * half], turned[half:, :half] = cosine, sine
    return turned
