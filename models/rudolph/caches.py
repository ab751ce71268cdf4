"""Keys and values of all past positions in one fixed buffer, and how one new token attends to what a buffer holds.

Knows layers, positions and masks; nothing of tokens, logits or sampling. Nothing is ever concatenated or gathered.
Buffers start with zeros, not with whatever the memory held: a hidden position has weight 0, and 0 times NaN is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.block_attention import PREFILL_QUERIES, PrefillAttention
from models.rudolph.transformer import Attend, SparseTransformer

STRIDE_MULTIPLE = 8  # that fused kernels want of a bias


def attention_bias(visible: Tensor, like: Tensor) -> Tensor:
    """What is added to scores, in the precision of `like`: 0 where visible `[..., queries, keys]`, else minus infinity.

    Fused kernels make this of a mask at every call, and copy one whose strides are no multiples of 8: made once, it
    serves all layers of a pass.
    """
    *queries, keys = visible.shape
    bias = torch.zeros(*queries, keys + -keys % STRIDE_MULTIPLE, device=like.device, dtype=like.dtype)[..., :keys]
    return bias.masked_fill_(~visible, float("-inf"))


def attention_under(mask: Tensor, like: Tensor, order: Tensor | None = None) -> Attend:
    """Attention of many tokens under a mask, boolean `[queries, keys]`: made once, it serves all layers of a pass.

    `order` int64 `[queries]`: see `block_attention`. `like` is in the precision of the scores.
    """
    if like.device.type == "cpu" and len(mask) > PREFILL_QUERIES:
        return PrefillAttention(mask, order, like)
    bias = attention_bias(mask, like)
    return lambda query, key, value: F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


ALL_ROWS = slice(None)


def one_query_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Attention of one new token: query `[batch, heads, 1, head_dim]`, key and value `[batch, heads, n, head_dim]`.

    bias `[1, n]` is added to the scores. The fused kernel is made for many queries: on a CPU, two plain
    products take 0.8 of its time in float32 and a quarter of it in bfloat16. Which order of factors is the faster
    depends on the library behind the product: MKL for float32, oneDNN for bfloat16.
    """
    if query.device.type == "cpu":
        query = query * query.shape[-1] ** -0.5
        if query.dtype == torch.float32:
            scores = (key @ query.transpose(-1, -2)).transpose(-1, -2)  # [batch, heads, 1, n]
        else:
            scores = query @ key.transpose(-1, -2)
        return (scores if bias is None else scores + bias).softmax(-1) @ value
    mask = None if bias is None else bias.expand(1, 1, 1, -1)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


MANY_KEYS = 2**17  # elements of all rows' keys, from which on two products outweigh their calls beside one fused kernel
MOST_QUERIES = 3  # that MKL multiplies as it streams keys; more, and it copies them first


def few_query_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention of a few tokens: query `[batch, heads, new, head_dim]`, key and value `[batch, heads, n, head_dim]`.

    bias, added to the scores, broadcasts to `[batch, heads, new, n]`. Of many keys on a CPU, plain products take 0.75
    to 1.0 of the fused kernel's time in float32 for up to 3 tokens, and 0.5 to 0.8 in bfloat16 for up to 16 at least.
    """
    if key.numel() >= MANY_KEYS and key.device.type == "cpu":
        most = {torch.float32: MOST_QUERIES, torch.bfloat16: key.shape[2]}
        if query.shape[2] <= most.get(key.dtype, 0):
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
            return scores.add_(bias).softmax(-1) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


class DenseCache:
    """Keys and values of every position: of each layer a tensor `[2, batch, heads, positions, head_dim]`.

    No tensor holds several layers: the whole may be tens of gigabytes, which no allocator need find in one piece, and
    when rows leave, what they took is given back.
    """

    def __init__(self, transformer: SparseTransformer, batch: int, positions: int) -> None:
        config, like = transformer.config, transformer.keys_like
        shape = (2, batch, config.num_attention_heads, positions, config.head_dim)
        self.transformer, self.positions = transformer, positions
        self.tensors = [torch.zeros(shape, device=like.device, dtype=like.dtype) for _ in range(config.num_layers)]

    def update(
        self, layer: int, start: int, key: Tensor, value: Tensor, rows: slice = ALL_ROWS
    ) -> tuple[Tensor, Tensor]:
        """Store `[rows, heads, new, head_dim]` at positions `start ..`; returns all of theirs so far (views)."""
        stop = start + key.shape[2]
        keys, values = self.tensors[layer][:, rows]
        keys[:, :, start:stop] = key
        values[:, :, start:stop] = value
        return keys[:, :, :stop], values[:, :, :stop]

    def attention(self, start: int, new: int, rows: slice = ALL_ROWS) -> Callable[[int], Attend]:
        """How each layer attends from the positions `start .. start + new` of some rows."""
        prefix, stop = self.transformer.config.prefix_length, start + new
        if new == 1 and start >= prefix and rows == ALL_ROWS:
            return self.attention_at(torch.full((1,), start - prefix, device=self.tensors[0].device))
        made: dict[tuple[str, int], Attend] = {}  # of each kind of layer, and of the last one's fewer queries

        def attend(layer: int) -> Attend:
            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                keys, values = self.update(layer, start, key, value, rows)
                kind, queries = self.transformer.kinds[layer], query.shape[2]
                if (kind, queries) not in made:
                    mask = self.transformer.mask(layer)[stop - queries : stop, :stop]
                    made[kind, queries] = attention_under(mask, query, self._order(layer, stop - queries, stop))
                return made[kind, queries](query, keys, values)

            return attend_layer

        return attend

    def _order(self, layer: int, first: int, stop: int) -> Tensor | None:
        """An order of the positions `first .. stop` for attention by blocks, on a CPU: int64, counted from `first`."""
        order = self.transformer.order(layer, stop) if self.tensors[layer].device.type == "cpu" else None
        return None if order is None else order[order >= first] - first

    def attention_at(self, place: Tensor) -> Callable[[int], Attend]:
        """How each layer attends from one place of the right text, int64 `[1]`: a tensor, so that every place is the
        same work.

        Whole buffers are read, and what is to come is hidden. Products read them faster than parts of them, by a third
        with MKL (float32); oneDNN (bfloat16) even makes a copy of a part first.
        """
        position = place + self.transformer.config.prefix_length
        visible = torch.arange(self.positions, device=place.device) <= position
        future = attention_bias(visible[None], self.tensors[0])

        def attend(layer: int) -> Attend:
            keys, values = self.tensors[layer]

            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                keys.index_copy_(2, position, key)
                values.index_copy_(2, position, value)
                return one_query_attention(query, keys, values, future)

            return attend_layer

        return attend

    def spread(self, of_row: Tensor, positions: int) -> None:
        """Give each row of the batch the first positions of one of the first rows: int64 `[batch]`, which."""
        for whole in self.tensors:
            whole[:, :, :, :positions] = whole[:, :, :, :positions].index_select(1, of_row)

    def keep(self, rows: Tensor) -> None:
        """Keep the given rows of the batch, int64, and forget the others: one layer after the other, each freed."""
        for layer, whole in enumerate(self.tensors):
            self.tensors[layer] = whole.index_select(1, rows)
