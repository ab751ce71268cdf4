"""Attention of whole sequences in training on a GPU: by pieces, most of them without a mask, put together behind them.

A query's weights over all its keys are those over each piece's keys times the piece's share of the sum of exponents.
`[n, n]` masks are neither read nor are the blocks computed that they hide: half of the scores at 1088 tokens.
FlexAttention would compute a little more of them (58 to 62 of 100 blocks), drops no weights, and needs a compiler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.rudolph.attention_kernels import Kernels, Scores, kernels_for
from models.rudolph.attention_pieces import Piece, image_pieces, text_pieces
from models.rudolph.geometry import Geometry, MaskKind

HIDDEN_SCORE = -65504.0  # added to the scores of what is not seen: finite, so that a query may see nothing of a piece
ALIGNED = 16  # a bias's rows begin at multiples of so many elements


@dataclass(frozen=True)
class _Made:
    """A piece with its bias on the device."""

    piece: Piece
    bias: Tensor | None

    def scores(self, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Scores:
        piece = self.piece
        parts = piece.gathered(query, piece.rows), piece.gathered(key, piece.keys), piece.gathered(value, piece.keys)
        return Scores(*parts, self.bias, piece.causal, dropout)


class _PiecewiseAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        pieces: tuple[_Made, ...],
        kernels: Kernels,
        dropout: float,
    ) -> Tensor:
        batch, heads, n, size = query.shape
        logarithms = query.new_empty((batch, heads, n), dtype=torch.promote_types(query.dtype, torch.float32))
        found = []
        for made in pieces:
            piece = made.piece
            output, own, state = kernels.of(made.bias).forward(made.scores(query, key, value, dropout))
            output, own = piece.scattered(output), piece.scattered_numbers(own)
            found.append((piece, output, own, state))
            part = logarithms[:, :, piece.rows]
            part.copy_(own if piece.first_of_rows else torch.logaddexp(part, own))
        # Laid out as the next layer wants it: [batch, n, heads, head_dim]
        total = query.new_empty((batch, n, heads, size)).transpose(1, 2)
        for piece, output, own, _ in found:
            part, share = total[:, :, piece.rows], (own - logarithms[:, :, piece.rows]).exp_()[..., None]
            if piece.first_of_rows:
                torch.mul(output, share, out=part)
            else:
                part.addcmul_(output, share)
        ctx.pieces, ctx.kernels, ctx.dropout = pieces, kernels, dropout
        ctx.states = [state for *_, state in found]
        ctx.first_alone = max(made.piece.keys.stop for made in pieces if made.piece.first_of_keys)
        ctx.save_for_backward(query, key, value, total, logarithms)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, logarithms = ctx.saved_tensors
        (slope,) = grads
        # Added up in the precision of the pieces' own, which are rounded before: float32 makes no smaller error.
        sums = [torch.empty_like(x) for x in (query, key, value)]
        for total in sums[1:]:
            total[:, :, ctx.first_alone :].zero_()
        for made, state in zip(ctx.pieces, ctx.states, strict=True):
            piece = made.piece
            found = ctx.kernels.of(made.bias).backward(
                piece.gathered(slope, piece.rows),
                made.scores(query, key, value, ctx.dropout),
                piece.gathered(output, piece.rows),
                piece.gathered_numbers(logarithms),
                state,
            )
            _add(sums[0][:, :, piece.rows], piece.scattered(found[0]), piece.first_of_rows)
            for total, own in zip(sums[1:], found[1:], strict=True):
                _add(total[:, :, piece.keys], piece.scattered(own), piece.first_of_keys)
        return (*sums, None, None, None)


def _add(total: Tensor, own: Tensor, first: bool) -> None:
    if first:
        total.copy_(own)
    else:
        total.add_(own)


@dataclass
class PiecewiseAttention:
    """Attention under the masks of a geometry; what it makes of them once is kept."""

    config: Geometry
    kernels: Kernels | None = None
    _image: dict[tuple[object, ...], tuple[_Made, ...]] = field(default_factory=dict)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, kind: MaskKind, dropout: float = 0.0) -> Tensor:
        """Attend under the mask of a layer of this kind: all `[batch, heads, n, head_dim]`, the first n positions."""
        kernels = self.kernels or kernels_for(query.device, query.dtype)
        pieces = self._pieces(kind, query)
        output: Tensor = _PiecewiseAttention.apply(query, key, value, pieces, kernels, dropout)  # type: ignore[no-untyped-call]
        return output

    def _pieces(self, kind: MaskKind, query: Tensor) -> tuple[_Made, ...]:
        n, device, dtype = query.shape[2], query.device, query.dtype
        name = kind, min(n, self.config.prefix_length), device, dtype
        if name not in self._image:
            self._image[name] = tuple(
                _Made(piece, None if piece.seen is None else _bias(piece.seen, device, dtype))
                for piece in image_pieces(kind, self.config, n)
            )
        return (*(_Made(piece, None) for piece in text_pieces(self.config, n)), *self._image[name])


def _bias(seen: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """What is added to scores: `[queries, keys]`, whose rows begin at aligned places."""
    queries, keys = seen.shape
    bias = torch.zeros(queries, keys + -keys % ALIGNED, dtype=dtype)
    bias[:, :keys].masked_fill_(~seen, HIDDEN_SCORE)
    return bias.to(device)[:, :keys]
