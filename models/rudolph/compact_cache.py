"""Keys and values for drawing an image: the left text's, and of the image only what its queries can still see.

Knows layers, positions and masks; nothing of tokens, logits or sampling. Nothing is ever concatenated or gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.caches import ALL_ROWS, STRIDE_MULTIPLE, attention_under, one_query_attention
from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.masks import image_mask
from models.rudolph.transformer import Attend, SparseTransformer


def ring_slots(kind: MaskKind, config: Geometry) -> int:
    """How many of the last image tokens hold every key an image query may see; of a column, all its rows."""
    dim = config.image_tokens_per_dim
    reach = config.kernel(kind) // 2
    if kind == "col":
        return dim
    if kind != "row" and config.wraps:  # the last rows see the first ones
        return config.image_seq_length
    return min(dim + 1 if kind == "row" else reach * dim + reach + 1, config.image_seq_length)


def visible_slots(kind: MaskKind, config: Geometry) -> Tensor:
    """Which slots of a layer's window each image query may see, its own token stored: bool `[image positions, slots]`.

    Hidden are slots that are still empty, and tokens that the layer's mask hides though later queries see them.
    """
    slots, dim = ring_slots(kind, config), config.image_tokens_per_dim
    if kind == "col":
        return torch.arange(slots) <= torch.arange(config.image_seq_length)[:, None] // dim
    return visible_in_ring(kind, config, slots)


def visible_in_ring(kind: MaskKind, config: Geometry, slots: int) -> Tensor:
    """Which slots of a ring each image query may see, as in `visible_slots`: bool `[image positions, slots]`.

    A ring may have more slots than its layer needs: what they hold of older tokens, or of tokens behind the query, is
    hidden.
    """
    query, slot = torch.arange(config.image_seq_length)[:, None], torch.arange(slots)
    held = query - (query - slot) % slots  # the latest token of each slot, up to the query; below 0: still empty
    mask = image_mask(kind, config.image_tokens_per_dim, config.kernel(kind), config.wraps)
    return mask.gather(1, held.clamp(min=0)) & (held >= 0)


def hiding_bias(visible: Tensor, ahead: int, like: Tensor) -> Tensor:
    """What is added to scores: 0 for `ahead` keys in front, then minus infinity where not visible `[queries, keys]`."""
    bias = torch.zeros(visible.shape).masked_fill(~visible, float("-inf"))
    return F.pad(bias, (ahead, 0)).to(like.device, like.dtype)


def shared_left_attention(
    query: Tensor, left_key: Tensor, left_value: Tensor, key: Tensor, value: Tensor, bias: Tensor
) -> Tensor:
    """Attention of several samples of each prompt to the prompt's keys, kept once, and to their own.

    query `[prompts * num_samples, heads, new, head_dim]`, a prompt's samples together; left_key and left_value
    `[prompts, heads, L, head_dim]`; key and value `[prompts * num_samples, heads, n, head_dim]`; bias, added to the
    scores of the own keys, broadcasts to `[prompts * num_samples, heads, new, n]`.
    """
    prompts, left, new = left_key.shape[0], left_key.shape[2], query.shape[2]
    samples = (prompts, query.shape[0] // prompts)
    query = query * query.shape[-1] ** -0.5
    scores = query.new_empty(*query.shape[:3], left + key.shape[2])
    by_prompt = query.unflatten(0, samples).transpose(1, 2).flatten(2, 3)  # [prompts, heads, num_samples * new, ...]
    of_left = (by_prompt @ left_key.transpose(-1, -2)).unflatten(2, (samples[1], new)).transpose(1, 2)
    scores.unflatten(0, samples)[..., :left] = of_left
    torch.add(query @ key.transpose(-1, -2), bias, out=scores[..., left:])
    weights = scores.softmax(-1)
    of_left = weights[..., :left].unflatten(0, samples).transpose(1, 2).flatten(2, 3)
    from_left = (of_left @ left_value).unflatten(2, (samples[1], new)).transpose(1, 2).reshape(query.shape)
    return from_left + weights[..., left:] @ value


@dataclass(frozen=True)
class _Place:
    """Where all layers of one kind store a token, and what its query does not see; tensors, so that every place is the
    same work.

    Attributes:
        index: int64 `[1]`, in a buffer; of a column layer `[2, batch * heads]`, in the flattened store of the columns.
        column: int64 `[1]`, of a column layer; else None.
        bias: `[1, ahead + slots]`.

    """

    index: Tensor
    column: Tensor | None
    bias: Tensor


class Window:
    """The image keys and values of one layer that queries can still see, behind `ahead` other positions.

    One buffer `[2, batch, heads, ahead + slots, head_dim]`: the order of keys does not matter to softmax, so a row or
    convolution layer overwrites its oldest token (a ring). A column layer keeps the image column by column
    `[columns, 2, batch, heads, rows, head_dim]` and copies the one column in question into the buffer.
    """

    def __init__(self, kind: MaskKind, config: Geometry, batch: int, ahead: int, like: Tensor) -> None:
        self.ahead, self.dim = ahead, config.image_tokens_per_dim
        heads, width = config.num_attention_heads, config.head_dim
        self.buffer = like.new_zeros(2, batch, heads, ahead + ring_slots(kind, config), width)
        self.columns = like.new_zeros(self.dim, 2, batch, heads, self.dim, width) if kind == "col" else None
        # Views, which each step would have to make anew.
        self.keys, self.values = self.buffer
        if self.columns is not None:
            self.store, self.column = self.columns.view(-1, width), self.buffer[None, :, :, :, ahead:]

    def put(self, place: _Place, key: Tensor, value: Tensor) -> None:
        """Store the key and value of one image token, each `[batch, heads, 1, head_dim]`."""
        if self.columns is None or place.column is None:
            self.keys.index_copy_(2, place.index, key)
            self.values.index_copy_(2, place.index, value)
            return
        for index, new in zip(place.index, (key, value), strict=True):
            self.store.index_copy_(0, index, new.reshape(-1, key.shape[-1]))
        torch.index_select(self.columns, 0, place.column, out=self.column)

    @property
    def tensors(self) -> list[Tensor]:
        """All that is kept."""
        return [self.buffer] if self.columns is None else [self.buffer, self.columns]


class LeftTextCache:
    """A cache of which a left text's keys and values, prefilled at once, are a part."""

    left: int

    def _left_buffers(self, layer: int) -> Tensor:
        """Where the left text's keys and values of a layer go: `[2, batch, heads, L or more, head_dim]`."""
        raise NotImplementedError

    def _attend_left(self, new: int, rows: slice) -> Callable[[int], Attend]:
        """How each layer attends from the `new` tokens of some rows' left texts, storing their keys and values."""
        like = self._left_buffers(0)
        causal = torch.ones(new, new, dtype=torch.bool, device=like.device).tril()
        made: dict[int, Attend] = {}  # by queries, of which the last layer has fewer

        def attend(layer: int) -> Attend:
            def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                keys, values = self._left_buffers(layer)[:, rows]
                keys[:, :, :new] = key
                values[:, :, :new] = value
                queries = query.shape[2]
                if queries not in made:
                    made[queries] = attention_under(causal[-queries:], like)
                return made[queries](query, key, value)

            return attend_layer

        return attend


class CompactCache(LeftTextCache):
    """The left text's keys and values and, behind them, only what image queries can still see: a `Window` a layer."""

    def __init__(self, transformer: SparseTransformer, batch: int, ahead: int | None = None) -> None:
        """`ahead`: positions in front of each window; L, unless the left text is kept elsewhere."""
        config, like = transformer.config, transformer.keys_like
        self.config, self.kinds = config, transformer.kinds
        self.left = config.l_text_seq_length
        self.ahead = ahead = self.left if ahead is None else ahead
        self.windows = [Window(kind, config, batch, ahead, like) for kind in self.kinds]
        self.bias = {kind: self._bias(kind, ahead, like) for kind in set(self.kinds)}

    def _bias(self, kind: MaskKind, ahead: int, like: Tensor) -> Tensor:
        """What each image query adds to its scores: minus infinity where hidden, `[image positions, ahead + slots]`.

        Each row goes on behind its end, so that a part of it has strides that fused kernels do not copy.
        """
        rows = hiding_bias(visible_slots(kind, self.config), ahead, like)
        return F.pad(rows, (0, -rows.shape[1] % STRIDE_MULTIPLE))

    @property
    def tensors(self) -> list[Tensor]:
        """All keys and values that are kept."""
        return [tensor for window in self.windows for tensor in window.tensors]

    def attention(self, start: int, new: int, rows: slice = ALL_ROWS) -> Callable[[int], Attend]:
        """How each layer attends: from the left text (`start` 0, at most L tokens), then from one image token a call.

        `rows` are those of the left text; image tokens are of all rows.
        Raises ValueError for any other positions: the buffers could not hold them.
        """
        if start == 0 and new <= self.left:
            return self._attend_left(new, rows)
        if new == 1 and self.left <= start < self.config.prefix_length:
            return self.attention_at(torch.full((1,), start - self.left, device=self.windows[0].buffer.device))
        raise ValueError(
            f"a compact cache takes the left text at once, then one image token at a time, not {new} at {start}"
        )

    def attention_at(self, position: Tensor) -> Callable[[int], Attend]:
        """How each layer attends from one image position of all rows, int64 `[1]`, storing its key and value."""
        places = {kind: self._place(kind, position) for kind in self.bias}
        return lambda layer: self._attend_image(layer, places[self.kinds[layer]])

    def _place(self, kind: MaskKind, position: Tensor) -> _Place:
        dim, slots = self.config.image_tokens_per_dim, ring_slots(kind, self.config)
        bias = self.bias[kind].index_select(0, position)[:, : self.ahead + slots]
        if kind != "col":
            return _Place(position % slots + self.ahead, None, bias)
        column, rows = position % dim, 2 * self.windows[0].buffer[0, :, :, 0, 0].numel()
        first = torch.arange(0, rows * dim, dim, device=position.device).view(2, -1)  # of each key, and of each value
        return _Place(first + (column * rows * dim + position // dim), column, bias)

    def _left_buffers(self, layer: int) -> Tensor:
        return self.windows[layer].buffer

    def _attend_image(self, layer: int, place: _Place) -> Attend:
        window = self.windows[layer]

        def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            window.put(place, key, value)
            return one_query_attention(query, window.keys, window.values, place.bias)

        return attend_layer


class SharedLeftCache(CompactCache):
    """Several samples of each prompt: the left text's keys and values once a prompt, the image's once a sample.

    Rows of the batch are prompts for the left text, and samples for the image: `prompts * num_samples`, a prompt's
    together.
    """

    def __init__(self, transformer: SparseTransformer, prompts: int, num_samples: int) -> None:
        super().__init__(transformer, prompts * num_samples, ahead=0)
        config, like = self.config, self.windows[0].buffer
        shape = (2, prompts, config.num_attention_heads, self.left, config.head_dim)
        self.left_kv = [like.new_zeros(shape) for _ in self.kinds]

    @property
    def tensors(self) -> list[Tensor]:
        """All keys and values that are kept."""
        return [*self.left_kv, *super().tensors]

    def _left_buffers(self, layer: int) -> Tensor:
        return self.left_kv[layer]

    def _attend_image(self, layer: int, place: _Place) -> Attend:
        window = self.windows[layer]
        left_keys, left_values = self.left_kv[layer]  # each [prompts, heads, L, head_dim]

        def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            window.put(place, key, value)
            return shared_left_attention(query, left_keys, left_values, window.keys, window.values, place.bias)

        return attend_layer
