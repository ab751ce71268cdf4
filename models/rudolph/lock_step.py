"""Rows of a batch that are drawn in lock-step, a token a step, as tensors that each step changes in place.

Where they stand is a tensor, so that every step is the same work and can be captured (see `step_graphs`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.rudolph.sampling import Sampling, count_not_finite, sample_token


@dataclass(frozen=True)
class LockStep:
    """What is drawn of each row, and with what; all on one device.

    Attributes:
        sampling: how a token is drawn.
        uniforms: `[rows, steps]`.
        drawn: int64 `[rows, steps]`.
        place: int64 `[1]`, the step whose token was drawn last.
        not_finite: int64 `[rows]`, logits that were infinite or undefined so far.
        ids: int64 `[n]`, the token that each logit is of; None: they are numbered from 0.
        prompt: int64 `[rows, steps]`, tokens to force, -1 where the model is free; None: nowhere else.

    """

    sampling: Sampling
    uniforms: Tensor
    drawn: Tensor
    place: Tensor
    not_finite: Tensor
    ids: Tensor | None = None
    prompt: Tensor | None = None

    @classmethod
    def before(
        cls,
        sampling: Sampling,
        uniforms: Tensor,
        filling: int,
        *,
        ids: Tensor | None = None,
        prompt: Tensor | None = None,
    ) -> LockStep:
        """Rows of which nothing is drawn yet: full of `filling`."""
        drawn = torch.full(uniforms.shape, filling, device=uniforms.device)
        place = torch.zeros(1, dtype=torch.int64, device=uniforms.device)
        return cls(sampling, uniforms, drawn, place, torch.zeros_like(drawn[:, 0]), ids, prompt)

    def last(self) -> Tensor:
        """The tokens drawn last: int64 `[rows, 1]`."""
        return self.drawn.index_select(1, self.place)

    def draw(self, logits: Tensor, token: Tensor | None = None) -> None:
        """Draw the token of each row at `place` from logits `[rows, n]`, or take `token` `[rows]`, which of them was
        drawn otherwise. Never synchronises."""
        if token is None:
            token = sample_token(logits, self.sampling, self.uniforms.index_select(1, self.place)[:, 0])
        if self.ids is not None:
            token = self.ids.index_select(0, token)
        token = token[:, None]
        if self.prompt is not None:
            given = self.prompt.index_select(1, self.place)
            token = torch.where(given < 0, token, given)
        self.drawn.index_copy_(1, self.place, token)
        self.not_finite.add_(count_not_finite(logits))

    def keep(self, rows: Tensor) -> LockStep:
        """Some of the rows, int64."""
        return replace(
            self,
            uniforms=self.uniforms[rows],
            drawn=self.drawn[rows],
            not_finite=self.not_finite[rows],
            prompt=None if self.prompt is None else self.prompt[rows],
        )
