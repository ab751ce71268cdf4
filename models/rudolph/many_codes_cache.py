"""Keys and values for drawing several codes of an image a pass, where each row of a batch stands at its own position.

As in `compact_cache`, of the image only what queries can still see is kept, in rings. The tokens behind the first one
of a pass are guesses: their keys may be wrong, and are overwritten by the next pass. So that they never take the place
of a key that is still needed, a ring has as many more slots as a pass may have guesses. Which slots a query sees
depends on its position alone (`visible_in_ring`), and positions are tensors: nothing here asks the device for a number,
and two passes of one width are the same operations on the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.caches import ALL_ROWS, few_query_attention
from models.rudolph.compact_cache import (
    LeftTextCache,
    hiding_bias,
    ring_slots,
    shared_left_attention,
    visible_in_ring,
)
from models.rudolph.geometry import Geometry, MaskKind
from models.rudolph.transformer import Attend, SparseTransformer

KEYS_MULTIPLE = 8  # fused kernels pad a bias of another length at every call


def many_codes_slots(kind: MaskKind, config: Geometry, widest: int, ahead: int) -> int:
    """How many image tokens a layer's ring keeps where a pass has up to `widest`, behind `ahead` other positions.

    A column layer keeps the whole image. All keys together are a multiple of 8.
    """
    needed = config.image_seq_length if kind == "col" else ring_slots(kind, config)
    return -(-(ahead + needed + widest - 1) // KEYS_MULTIPLE) * KEYS_MULTIPLE - ahead


@dataclass(frozen=True)
class _Placement:
    """What all layers of one kind share in a pass: where new keys go in a flattened buffer, and what is hidden."""

    index: Tensor  # int64 [rows * heads * new]
    bias: Tensor  # [rows, 1, new, ahead + slots]


def _views(buffer: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Keys and values of a layer's `[2, rows, heads, keys, head_dim]`, and both flattened `[rows * heads * keys, ..]`:
    made once, as each pass would have to make them anew."""
    keys, values = buffer
    return keys, values, keys.view(-1, keys.shape[-1]), values.view(-1, values.shape[-1])


class ManyCodesCache(LeftTextCache):
    """The left text's keys and values, and rings of the image's, for passes of up to `widest` tokens a row.

    With one sample a prompt the left text lies in front of each ring; of several it is kept once a prompt. Rows of the
    batch are prompts for the left text, and samples for the image, a prompt's together.
    """

    def __init__(self, transformer: SparseTransformer, prompts: int, num_samples: int, widest: int) -> None:
        config, like = transformer.config, transformer.keys_like
        self.config, self.kinds, self.widest = config, transformer.kinds, widest
        self.left = config.l_text_seq_length
        self.ahead = self.left if num_samples == 1 else 0
        self.rows = prompts * num_samples
        heads, width = config.num_attention_heads, config.head_dim
        self.slots = {kind: many_codes_slots(kind, config, widest, self.ahead) for kind in set(self.kinds)}
        self.bias = {
            kind: hiding_bias(visible_in_ring(kind, config, slots), self.ahead, like)
            for kind, slots in self.slots.items()
        }  # each [image positions, ahead + slots]
        self.buffers = [
            like.new_zeros(2, self.rows, heads, self.ahead + self.slots[kind], width) for kind in self.kinds
        ]
        shape = (2, prompts, heads, self.left, width)
        self.left_kv = [] if self.ahead else [like.new_zeros(shape) for _ in self.kinds]
        self._views = [_views(buffer) for buffer in self.buffers]
        self._starts = self._heads_starts()

    @property
    def tensors(self) -> list[Tensor]:
        """All keys and values that are kept."""
        return [*self.left_kv, *self.buffers]

    def _left_buffers(self, layer: int) -> Tensor:
        return self.buffers[layer] if self.ahead else self.left_kv[layer]

    def attention(self, start: int, new: int, rows: slice = ALL_ROWS) -> Callable[[int], Attend]:
        """How each layer attends from the left text (`start` 0, at most L tokens) of some rows, or from one token of
        every row behind it."""
        if start == 0 and new <= self.left:
            return self._attend_left(new, rows)
        if new == 1 and self.left <= start < self.config.prefix_length:
            return self.attention_at(torch.full((self.rows, 1), start - self.left, device=self.buffers[0].device))
        raise ValueError(f"the left text at once, then one token at a time of every row, not {new} at {start}")

    def attention_at(self, positions: Tensor) -> Callable[[int], Attend]:
        """How each layer attends from image positions int64 `[rows, new]`, ascending, storing their keys and values.

        A row's first position may be at most one further than the last one whose key is right. Positions beyond the
        image do no harm: their keys are seen by none of it.
        """
        queries = positions.clamp(max=self.config.image_seq_length - 1)
        placements = {kind: self._placement(kind, positions, queries) for kind in self.slots}
        return lambda layer: self._attend(layer, placements[self.kinds[layer]])

    def _placement(self, kind: MaskKind, positions: Tensor, queries: Tensor) -> _Placement:
        index = self._starts[kind] + (self.ahead + positions % self.slots[kind])[:, None]  # [rows, heads, new]
        return _Placement(index.flatten(), F.embedding(queries, self.bias[kind])[:, None])

    def _heads_starts(self) -> dict[MaskKind, Tensor]:
        """Where each head of each row begins in a flattened buffer: int64 `[rows, heads, 1]` by kind of layer."""
        heads = self.rows * self.config.num_attention_heads
        numbers = torch.arange(heads, device=self.buffers[0].device).view(self.rows, -1, 1)
        return {kind: numbers * (self.ahead + slots) for kind, slots in self.slots.items()}

    def _attend(self, layer: int, shared: _Placement) -> Attend:
        keys, values, flat_keys, flat_values = self._views[layer]

        def attend_layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            width = key.shape[-1]
            flat_keys.index_copy_(0, shared.index, key.reshape(-1, width))
            flat_values.index_copy_(0, shared.index, value.reshape(-1, width))
            if self.left_kv:
                left_keys, left_values = self.left_kv[layer]
                return shared_left_attention(query, left_keys, left_values, keys, values, shared.bias)
            return few_query_attention(query, keys, values, shared.bias)

        return attend_layer

    @property
    def can_shrink(self) -> bool:
        """Whether rows can leave the batch: not where prompts have several samples, which belong together."""
        return not self.left_kv

    def keep(self, rows: Tensor) -> None:
        """Keep the given rows of the batch, int64, and forget the others: one layer after the other, each freed.

        Raises ValueError unless it `can_shrink`.
        """
        if not self.can_shrink:
            raise ValueError("samples that share a left text stay together")
        self.rows = len(rows)
        for layer, buffer in enumerate(self.buffers):
            self.buffers[layer] = buffer.index_select(1, rows)
            del buffer
            self._views[layer] = _views(self.buffers[layer])
        self._starts = self._heads_starts()
