"""Draws the codes of images several a pass: the very codes that are drawn one by one, in fewer passes.

A sample's random number at each position is fixed in advance, so what is drawn one by one is a fixed point: guess the
next codes, run all of them through the model at once, and draw each position with its own random number. The leading
codes that were guessed as they are drawn had the right codes before them, and so had the first one that was not: they
are accepted, and what was drawn behind them are the next guesses. (Jacobi iteration: Wiggers and Hoogeboom, Predictive
Sampling with Forecasting Autoregressive Models, 2020; Teng et al., Speculative Jacobi Decoding, 2024, for images.)
Of a position that was never drawn, the guess is the code above it, and in the first row the first code.

Logits of one and of several positions differ by rounding. A code can therefore differ where a random number lies next
to the border between two codes, as it can between batches of different sizes: such near-ties are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.sampling import Sampling, count_not_finite, sample_token_and_tie
from models.rudolph.step_graphs import Repeated, StepGraphs
from models.rudolph.transformer import SparseDecoder
from models.rudolph.window_width import MOST_PASSES, TRIAL_PASSES, WindowWidth, clock_of

KEPT_SHARE = 0.75  # of a batch's rows: as soon as no more have codes to draw, the others leave it


@dataclass
class Rows:
    """The rows of a batch that are being drawn, each with as many codes `known` as it has; all on one device.

    Attributes:
        codes: int64 `[rows, I + room]`; from `known` on guesses. The room behind the image is for what is drawn there.
        known: int64 `[rows]`, from 1 to I.
        uniforms: `[rows, I + room]`.
        not_finite: int64 `[rows]`, logits of known codes that were infinite or undefined.
        near_ties: int64 `[rows]`, known codes that rounding could have drawn otherwise (`sample_token_and_tie`).
        prompt: int64 `[rows, I + room]`, codes to force, -1 where the model is free; None: nowhere else.

    """

    codes: Tensor
    known: Tensor
    uniforms: Tensor
    not_finite: Tensor
    near_ties: Tensor
    prompt: Tensor | None

    def keep(self, rows: Tensor) -> Rows:
        """Some of the rows, int64."""
        prompt = None if self.prompt is None else self.prompt[rows]
        counts = (self.not_finite[rows], self.near_ties[rows])
        return Rows(self.codes[rows], self.known[rows], self.uniforms[rows], *counts, prompt)


def first_codes(
    logits: Tensor, sampling: Sampling, uniforms: Tensor, prompt: Tensor | None, dim: int, widest: int
) -> Rows:
    """Draw each row's first code: logits `[rows, codes]`, uniforms and prompt `[rows, I]`; `widest` as the cache's."""
    (rows, steps), room = uniforms.shape, dim + widest
    numbers = F.pad(uniforms, (0, room))
    given = None if prompt is None else F.pad(prompt, (0, room), value=-1)
    codes = torch.zeros(rows, steps + room, dtype=torch.int64, device=logits.device)
    first, tie = sample_token_and_tie(logits, sampling, numbers[:, 0])
    codes[:, : dim + 1] = first[:, None]  # of the first row, and of the code below its first, guesses
    codes = _forced(codes, given)
    ties = (tie if given is None else tie & (given[:, 0] < 0)).long()
    return Rows(codes, torch.ones_like(first), numbers, count_not_finite(logits), ties, given)


def _forced(codes: Tensor, prompt: Tensor | None) -> Tensor:
    return codes if prompt is None else torch.where(prompt < 0, codes, prompt)


def draw_one_pass(
    model: SparseDecoder,
    cache: ManyCodesCache,
    head: Callable[[Tensor], Tensor],
    sampling: Sampling,
    rows: Rows,
    width: int,
) -> None:
    """Run `width` codes of each row through the model, the last known one first, and accept what is drawn right.

    Never synchronises, has the same operations and shapes wherever the rows stand, and changes the tensors of `rows` in
    place: captured once, as a CUDA graph, it goes on with each replay. Rows that know all their codes idle: what they
    draw lies behind the image.
    """
    config = model.config
    steps, dim = config.image_seq_length, config.image_tokens_per_dim
    offsets = torch.arange(width, device=rows.known.device)
    drawn_at = rows.known[:, None] + offsets  # [rows, width]; codes before these go in
    ids = rows.codes.gather(1, drawn_at - 1)
    attend = cache.attention_at(drawn_at - 1 + config.prompt_length - config.l_text_seq_length)
    logits = head(model.transformer(model.embed_codes(ids, (drawn_at - 1).clamp(max=steps - 1)), attend))
    numbers = rows.uniforms.gather(1, drawn_at)
    drawn, ties = (
        part.view_as(ids)
        for part in sample_token_and_tie(logits.flatten(0, 1), sampling, numbers.flatten(), cache.buffers[0].dtype)
    )
    if rows.prompt is not None:
        given = rows.prompt.gather(1, drawn_at)
        drawn, ties = _forced(drawn, given), ties & (given < 0)
    accepted = (ids[:, 1:] == drawn[:, :-1]).long().cumprod(1).sum(1) + 1
    counts = (offsets < accepted[:, None]) & (drawn_at < steps)
    rows.not_finite += (count_not_finite(logits) * counts).sum(1)
    rows.near_ties += (ties & counts).sum(1)
    rows.codes.scatter_(1, drawn_at + dim, drawn)  # guesses for the row below, unless that is drawn in this pass
    rows.codes.scatter_(1, drawn_at, drawn)
    if rows.prompt is not None:
        rows.codes.copy_(_forced(rows.codes, rows.prompt))
    rows.known.add_(accepted).clamp_(max=steps)


def draw_rest(
    model: SparseDecoder,
    cache: ManyCodesCache,
    head: Callable[[Tensor], Tensor],
    sampling: Sampling,
    rows: Rows,
    width: WindowWidth,
    graphs: StepGraphs,
    clock: Callable[[], float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw all codes of rows whose first one is drawn: int64 codes `[rows, I]`, and `not_finite` `[rows]`.

    Finished rows leave the batch, unless they share a left text. The device is waited for as often as the number of
    known codes is asked for: after as many passes as the slowest row needs at least, or to compare widths. `graphs` may
    capture passes. What is drawn in an image's first row, which has none above it to guess by, tells nothing of widths.
    """
    steps, dim = model.config.image_seq_length, model.config.image_tokens_per_dim
    clock = clock or clock_of(rows.codes.device)
    codes = torch.empty_like(rows.codes[:, :steps])
    not_finite, near_ties = torch.empty_like(rows.not_finite), torch.empty_like(rows.near_ties)
    places = torch.arange(len(codes), device=codes.device)  # where in the whole batch each row is
    known, warm = [1] * len(codes), (0, 0)
    passes_of: dict[int, Repeated] = {}  # by width; of the rows that are left
    while min(known) < steps:
        count = len(known)
        now, untried = width.next(count)
        left = steps - min(known)
        passes = -(-left // now)
        if now not in passes_of:
            passes_of[now] = graphs.repeated(partial(draw_one_pass, model, cache, head, sampling, rows, now), left)
        one_pass = passes_of[now]
        if not width.is_fixed:
            passes = min(passes, TRIAL_PASSES if untried else MOST_PASSES)
            if warm != (count, now):  # first passes of a shape take longer, which says nothing about the next ones
                for _ in range(one_pass.calls_until_steady):
                    one_pass()
                before, known = known, rows.known.tolist()
                width.count(
                    one_pass.calls_until_steady * sum(code < steps for code in before), sum(known) - sum(before)
                )
                warm = (count, now)
                continue
        began = clock()
        for _ in range(passes):
            one_pass()
        before, known = known, rows.known.tolist()  # waits for the device
        new = sum(known) - sum(before)
        width.count(passes * sum(code < steps for code in before), new)
        if min(before) > dim:
            width.measured(count, now, new, clock() - began)
        going_on = [row for row, code in enumerate(known) if code < steps]
        if going_on and cache.can_shrink and len(going_on) <= KEPT_SHARE * count:
            codes[places], not_finite[places] = rows.codes[:, :steps], rows.not_finite
            near_ties[places] = rows.near_ties
            kept = torch.tensor(going_on, device=codes.device)
            cache.keep(kept)
            passes_of.clear()
            rows, places, known = rows.keep(kept), places[kept], [known[row] for row in going_on]
    codes[places], not_finite[places], near_ties[places] = rows.codes[:, :steps], rows.not_finite, rows.near_ties
    width.near_ties += int(near_ties.sum())
    return codes, not_finite
