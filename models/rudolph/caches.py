"""Keys and values of past positions in fixed buffers: all of them, or only those that image queries can still see.

Knows layers, positions and masks; nothing of tokens, logits or sampling. Nothing is ever concatenated or gathered.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.config import Config
from models.rudolph.masks import MaskKind, image_mask
from models.rudolph.transformer import Attend, SparseTransformer, masked_attention


def one_query_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention of one new token: query `[batch, heads, 1, head_dim]`, key and value `[batch, heads, n, head_dim]`.

    bias `[n]` is added to the scores. The fused kernel is made for many queries: on a CPU, two plain products take
    0.8 of its time in float32 and a third of it in bfloat16.
    """
    if query.device.type == "cpu":
        scores = (key @ (query * query.shape[-1] ** -0.5).transpose(-1, -2)).transpose(-1, -2)  # [batch, heads, 1, n]
        return (scores if bias is None else scores + bias).softmax(-1) @ value
    mask = None if bias is None else bias.expand(1, 1, 1, -1)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class DenseCache:
    """Keys and values of every position: `[layers, 2, batch, heads, positions, head_dim]`."""

    def __init__(self, transformer: SparseTransformer, batch: int, positions: int) -> None:
        config, like = transformer.config, transformer.final_layernorm.weight
        shape = (config.num_layers, 2, batch, config.num_attention_heads, positions, config.head_dim)
        self.transformer = transformer
        self.kv = torch.empty(shape, device=like.device, dtype=like.dtype)

    def update(self, layer: int, start: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store `[batch, heads, new, head_dim]` at positions `start ..`; returns all keys and values so far (views)."""
        stop = start + key.shape[2]
        keys, values = self.kv[layer]
        keys[:, :, start:stop] = key
        values[:, :, start:stop] = value
        return keys[:, :, :stop], values[:, :, :stop]

    def attention(self, start: int, new: int) -> Callable[[int], Attend]:
        """How each layer attends from the positions `start .. start + new`."""
        sees_everything = new == 1 and start >= self.transformer.config.prefix_length

        def attend(layer: int) -> Attend:
            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                keys, values = self.update(layer, start, key, value)
                if sees_everything:
                    return one_query_attention(query, keys, values)
                mask = self.transformer.mask(layer)[start : start + new, : start + new]
                return masked_attention(query, keys, values, mask)

            return attend_layer

        return attend

    def keep(self, rows: Tensor) -> None:
        """Keep the given rows of the batch, int64 and ascending, and forget the others; in place, layer by layer."""
        kept = len(rows)
        for layer in self.kv:
            layer[:, :kept] = layer[:, rows]
        self.kv = self.kv[:, :, :kept]


def ring_slots(kind: MaskKind, config: Config) -> int:
    """How many of the last image tokens hold every key an image query may see; of a column, all its rows."""
    dim = config.image_tokens_per_dim
    reach = (config.last_kernel_size if kind == "last_conv" else config.kernel_size) // 2
    if kind == "col":
        return dim
    return min(dim + 1 if kind == "row" else reach * dim + reach + 1, config.image_seq_length)


def ring_bias(kind: MaskKind, config: Config) -> Tensor:
    """What to add to the scores of [left text | ring] for each image query: `[image positions, left + slots]`.

    0 where the token that a slot holds at that time may be seen, minus infinity where not.
    """
    slots, kernel = ring_slots(kind, config), config.last_kernel_size if kind == "last_conv" else config.kernel_size
    query = torch.arange(config.image_seq_length)[:, None]
    held = query - (query - torch.arange(slots)) % slots  # the latest token of each slot; below 0: still empty
    allowed = image_mask(kind, config.image_tokens_per_dim, kernel).gather(1, held.clamp(min=0))
    bias = torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
    return F.pad(bias, (config.l_text_seq_length, 0))


class CompactCache:
    """The left text's keys and values and, behind them, only what image queries can still see.

    Each layer has one buffer `[2, batch, heads, left + slots, head_dim]`: the order of keys does not matter to softmax,
    so a row or convolution layer overwrites its oldest token (a ring). A column layer keeps the image column by column
    `[columns, 2, batch, heads, rows, head_dim]` and copies the one column in question behind the left text.
    """

    def __init__(self, transformer: SparseTransformer, batch: int) -> None:
        config, like = transformer.config, transformer.final_layernorm.weight
        self.config, self.kinds = config, transformer.kinds
        self.left, self.dim = config.l_text_seq_length, config.image_tokens_per_dim

        def empty(*sizes: int) -> Tensor:
            return torch.empty(sizes, device=like.device, dtype=like.dtype)

        heads, head_dim = config.num_attention_heads, config.head_dim
        self.slots = {kind: ring_slots(kind, config) for kind in set(self.kinds)}
        self.kv = [empty(2, batch, heads, self.left + self.slots[kind], head_dim) for kind in self.kinds]
        self.columns = {
            layer: empty(self.dim, 2, batch, heads, self.dim, head_dim)
            for layer, kind in enumerate(self.kinds)
            if kind == "col"
        }
        convolutions: set[MaskKind] = {kind for kind in self.kinds if kind in ("conv", "last_conv")}
        self.bias = {kind: ring_bias(kind, config).to(like.device, like.dtype) for kind in convolutions}

    def attention(self, start: int, new: int) -> Callable[[int], Attend]:
        """How each layer attends: from the left text (`start` 0, at most L tokens), then from one image token a call.

        Raises ValueError for any other positions: the buffers could not hold them.
        """
        if start == 0 and new <= self.left:
            return self._attend_left(new)
        if new == 1 and self.left <= start < self.config.prefix_length:
            return self._attend_image(start - self.left)
        raise ValueError(
            f"a compact cache takes the left text at once, then one image token at a time, not {new} at {start}"
        )

    def _attend_left(self, new: int) -> Callable[[int], Attend]:
        causal = torch.ones(new, new, dtype=torch.bool, device=self.kv[0].device).tril()

        def attend(layer: int) -> Attend:
            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                keys, values = self.kv[layer]
                keys[:, :, :new] = key
                values[:, :, :new] = value
                return masked_attention(query, key, value, causal)

            return attend_layer

        return attend

    def _attend_image(self, position: int) -> Callable[[int], Attend]:
        row, column = divmod(position, self.dim)

        def attend(layer: int) -> Attend:
            kind = self.kinds[layer]
            slots = self.slots[kind]
            filled = self.left + (row + 1 if kind == "col" else min(position + 1, slots))

            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                buffer = self.kv[layer]
                # The place of the new token: in its column's store, or in the ring.
                store, at = (
                    (self.columns[layer][column], row) if kind == "col" else (buffer, self.left + position % slots)
                )
                store[0, :, :, at : at + 1] = key
                store[1, :, :, at : at + 1] = value
                if kind == "col":
                    buffer[:, :, :, self.left : filled] = store[:, :, :, : row + 1]
                bias = self.bias[kind][position, :filled] if kind in self.bias else None
                return one_query_attention(query, buffer[0, :, :, :filled], buffer[1, :, :, :filled], bias)

            return attend_layer

        return attend
