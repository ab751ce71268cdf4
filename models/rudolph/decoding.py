"""Inference in two phases of constant shape: answer with text after an image, and draw an image after a text.

Composes transformer, caches and sampling; texts and pictures are ids here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rudolph.caches import ALL_ROWS, DenseCache
from models.rudolph.compact_cache import CompactCache, SharedLeftCache
from models.rudolph.lock_step import LockStep
from models.rudolph.many_codes import draw_rest, first_codes
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.packed import PackedLinear, packable
from models.rudolph.sampling import Sampling
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import Attend, Rudolph, SparseDecoder
from models.rudolph.vocabulary import EOS
from models.rudolph.window_width import WindowWidth, clock_of

STEPS_BETWEEN_CHECKS = 4  # asking whether all rows have finished makes a GPU wait, so it is not asked at every step
PREFILL_BYTES = 24 * 2**20  # of the widest tensor of a prefill on a CPU, four times the hidden states

Head: TypeAlias = Callable[[Tensor], Tensor]  # hidden states [batch, hidden] -> logits [batch, rows]


class Choose(Protocol):
    """Another way to draw the tokens of an answer than `sample_token`, which can be captured in a step."""

    def __call__(self, logits: Tensor, place: Tensor) -> Tensor:
        """Rows of the head, int64 `[rows]`, for the texts of the batch by logits `[rows, n]`; once a step, in order:
        `place` int64 `[1]` is the step. What is remembered from one step to the next is changed in place."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the texts of the batch, int64."""
        ...


class Cache(Protocol):
    """Where keys and values are kept, and how layers attend to them."""

    def attention(self, start: int, new: int, rows: slice = ALL_ROWS) -> Callable[[int], Attend]:
        """How each layer attends from the positions `start .. start + new`, storing their keys and values.

        In a prefill perhaps of some `rows` alone.
        """
        ...

    def attention_at(self, place: Tensor, /) -> Callable[[int], Attend]:
        """The same from one place of the image, or of the right text: int64 `[1]`, for all rows."""
        ...


class NonFiniteLogitsError(ArithmeticError):
    """Some rows of the batch had infinite or undefined logits; `rows` lists them, `values` says how many logits."""

    def __init__(self, rows: Sequence[int], values: int, dtype: torch.dtype) -> None:
        # Only float16 has too little room: in the others it is the weights, or what came in.
        remedy = "; run them in bfloat16 or float32" if dtype == torch.float16 else ""
        super().__init__(f"{values} logits in {dtype} were not finite for rows {list(rows)}{remedy}")
        self.rows = tuple(rows)
        self.values = values


def output_head(model: SparseDecoder, rows: slice | Tensor) -> Head:
    """Logits of some rows of the output table: made once, as a view of a slice, a copy of listed rows, or packed."""
    norm, linear = model.to_logits[0], model.to_logits[1]
    assert isinstance(linear, nn.Linear)
    weight, bias = linear.weight[rows], linear.bias[rows]
    if packable(weight):
        packed = PackedLinear(weight, bias)
        return lambda hidden: packed(norm(hidden))
    return lambda hidden: F.linear(norm(hidden), weight, bias)


def forward_cached(model: SparseDecoder, cache: Cache, ids: Tensor, start: int, head: Head) -> Tensor:
    """Run ids `[batch, new]` at positions `start ..` through the model; logits of the last position: `[batch, rows]`.

    Prefills with many ids, decodes with one.
    """
    batch, new = ids.shape
    parts = _prefill_parts(model, batch, new) if new > 1 or start == 0 else [ALL_ROWS]
    hidden = [
        model.transformer(model.embed(ids[rows], start), cache.attention(start, new, rows), last=1) for rows in parts
    ]
    return head((hidden[0] if len(parts) == 1 else torch.cat(hidden))[:, -1])


def forward_prompts(model: SparseDecoder, cache: DenseCache, left_ids: Tensor, rest: Tensor, head: Head) -> Tensor:
    """Prefill whole prompts: ids `[batch, L]` of left texts, and `[batch, n]` of what follows; logits `[batch, rows]`.

    A left text that several rows have is computed once: it sees nothing of what follows. Left texts on a device are
    read back first.
    """
    texts, of_row = left_ids.cpu().unique(dim=0, return_inverse=True)
    if len(texts) == len(left_ids):
        return forward_cached(model, cache, torch.cat((left_ids.to(rest.device), rest), dim=1), 0, head)
    forward_cached(model, cache, texts.to(rest.device), 0, lambda hidden: hidden)
    cache.spread(of_row.to(rest.device), texts.shape[1])
    return forward_cached(model, cache, rest, texts.shape[1], head)


def _prefill_parts(model: SparseDecoder, batch: int, new: int) -> list[slice]:
    """Rows that are prefilled together: on a CPU as few as keep tensors of a layer in its caches, and small enough for
    the C library to give freed memory out again. Larger tensors are fresh pages each, which the kernel clears first."""
    weight = model.text_embeddings.weight
    if weight.device.type != "cpu":
        return [slice(batch)]
    rows = max(1, PREFILL_BYTES // (new * 4 * model.config.hidden_size * weight.itemsize))
    return [slice(first, min(first + rows, batch)) for first in range(0, max(batch, 1), rows)]


def forward_at(model: SparseDecoder, cache: Cache, ids: Tensor, place: Tensor, head: Head) -> Tensor:
    """Run one id of each row, `[batch, 1]`, at a place that is a tensor, int64 `[1]`; logits: `[batch, rows]`.

    Places are counted from the first one of the right text in a dense cache, of the image's codes in the others. What
    is done does not depend on where that is.
    """
    if isinstance(cache, DenseCache):
        x, at = model.embed_right(ids, place), place
    else:
        ahead = model.config.prompt_length - model.config.l_text_seq_length  # ids that the masks take for the image's
        x, at = model.embed_codes(ids, place), place + ahead if ahead else place
    return head(model.transformer(x, cache.attention_at(at), last=1)[:, -1])


def _check(model: SparseDecoder, expected: dict[str, tuple[Tensor, tuple[int, ...]]]) -> torch.device:
    if model.training:
        raise ValueError("the model is in training mode, where dropout is active; call model.eval() first")
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, not {list(tensor.shape)}")
    return model.text_embeddings.weight.device


def raise_unless_finite(not_finite: Tensor, dtype: torch.dtype) -> None:
    """Raise `NonFiniteLogitsError` if any row `[batch]` counts logits that are not finite. Synchronises once."""
    rows = not_finite.nonzero().flatten().tolist()
    if rows:
        raise NonFiniteLogitsError(rows, int(not_finite.sum()), dtype)


def answer(
    model: Rudolph,
    left_ids: Tensor,
    codes: Tensor,
    template: Sequence[int],
    sampling: Sampling,
    uniforms: Tensor,
    *,
    allowed: slice | Tensor | None = None,
    stop_at_eos: bool = True,
    choose: Choose | None = None,
    graphs: StepGraphs | None = None,
) -> list[list[int]]:
    """Phase A: text after [left text | image | template]; returns the ids drawn behind the template, row by row.

    uniforms `[batch, steps]`; otherwise as `several_answers`, of which this is the case of one sample.
    """
    given = model, left_ids, codes, template, sampling, uniforms[:, None]
    rows = several_answers(*given, allowed=allowed, stop_at_eos=stop_at_eos, choose=choose, graphs=graphs)
    return [row for (row,) in rows]


@torch.inference_mode()
def several_answers(
    model: Rudolph,
    left_ids: Tensor,
    codes: Tensor,
    template: Sequence[int],
    sampling: Sampling,
    uniforms: Tensor,
    *,
    allowed: slice | Tensor | None = None,
    stop_at_eos: bool = True,
    choose: Choose | None = None,
    graphs: StepGraphs | None = None,
) -> list[list[list[int]]]:
    """Phase A, several texts after each [left text | image | template], which share its prefill; all drawn together.

    left_ids int64 `[batch, L]`; codes int64 `[batch, I]`; template at most R ids; uniforms `[batch, num_samples,
    steps]`, where steps is R - len(template) or fewer. `allowed` are the text ids that may be drawn: a slice or
    distinct ids `[n]`; left out, all BPE pieces. An id from the left padding's range becomes EOS, as published.
    With `stop_at_eos` a row ends with its EOS, and finished rows leave the batch; else all steps are always run.
    `choose` draws instead of `sampling`, also for texts that ended a while before. `graphs` may capture steps.
    Returns the ids of each text that were drawn behind the template, `num_samples` texts for each row of the batch.
    Raises ValueError for wrong shapes, `NonFiniteLogitsError` (rows of left_ids) for an overflow.
    """
    config, (batch, num_samples, steps) = model.config, uniforms.shape
    if steps > config.r_text_seq_length - len(template):
        raise ValueError(f"{len(template)} template ids and {steps} steps exceed R = {config.r_text_seq_length}")
    left, image = config.l_text_seq_length, config.image_seq_length
    device = _check(model, {"left_ids": (left_ids, (batch, left)), "codes": (codes, (batch, image))})
    if steps == 0:
        return [[[] for _ in range(num_samples)] for _ in range(batch)]
    if isinstance(allowed, Tensor):
        rows: slice | Tensor = allowed.to(device)
    else:
        rows = slice(*(allowed or slice(config.bpe_vocab)).indices(config.text_vocab))
    ids = torch.arange(config.text_vocab, device=device)[rows]
    ids = torch.where(ids < config.text_vocab - config.l_text_seq_length, ids, EOS)  # what each row of the head draws
    head = output_head(model, rows)
    fixed = torch.tensor(list(template), dtype=torch.int64, device=device).expand(batch, -1)
    cache = DenseCache(model.transformer, batch, config.prefix_length + len(template) + steps)
    graphs = graphs or StepGraphs()
    drawn = torch.full((batch * num_samples, steps), EOS, device=device)
    not_finite = torch.zeros(len(drawn), dtype=torch.int64, device=device)
    places = torch.arange(len(drawn), device=device)  # which text each row of the shrinking batch is
    state = LockStep.before(sampling, uniforms.to(device).flatten(0, 1), EOS, ids=ids)
    logits = forward_prompts(model, cache, left_ids, torch.cat((codes.to(device), fixed), dim=1), head)
    if num_samples != 1:
        of_text = places // num_samples
        cache.keep(of_text)
        logits = logits[of_text]
    state.draw(logits, None if choose is None else choose(logits, state.place))
    step = graphs.repeated(partial(draw_one_id, model, cache, head, state, len(template), choose), steps - 1)
    for done in range(1, steps):
        if stop_at_eos and done % STEPS_BETWEEN_CHECKS == 1:
            going_on = (state.drawn[:, :done] != EOS).all(1).nonzero().squeeze(1)
            if not len(going_on):
                break
            if 2 * len(going_on) <= len(places):
                drawn[places], not_finite[places] = state.drawn, state.not_finite
                cache.keep(going_on)
                state, places = state.keep(going_on), places[going_on]
                if choose is not None:
                    choose.keep(going_on)
                left = steps - done
                step = graphs.repeated(partial(draw_one_id, model, cache, head, state, len(template), choose), left)
        step()
    drawn[places], not_finite[places] = state.drawn, state.not_finite
    raise_unless_finite(not_finite.view(batch, num_samples).sum(1), logits.dtype)
    texts: list[list[list[int]]] = drawn.view(batch, num_samples, steps).tolist()
    return [[row[: row.index(EOS) + 1] if stop_at_eos and EOS in row else row for row in each] for each in texts]


def draw_one_id(
    model: Rudolph, cache: DenseCache, head: Head, rows: LockStep, template: int, choose: Choose | None = None
) -> None:
    """Run the token that each row drew last, behind the template and those before, and draw the next one."""
    logits = forward_at(model, cache, rows.last(), rows.place + template, head)
    rows.place.add_(1)
    rows.draw(logits, None if choose is None else choose(logits, rows.place))


def generate_image(
    model: SparseDecoder,
    left_ids: Tensor,
    sampling: Sampling,
    uniforms: Tensor,
    *,
    prompt: Tensor | None = None,
    window: int | WindowWidth = 1,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Phase B: an image's codes after each left text. Returns int64 `[batch, I]` on the model's device.

    left_ids int64 `[batch, L]`; uniforms `[batch, I]`; prompt int64 `[batch, I]` holds codes to force and -1 where the
    model is free. Otherwise as `generate_images`, of which this is the case of one sample.
    """
    whole_image = (len(uniforms), model.config.image_seq_length)
    given = {"uniforms": uniforms} if prompt is None else {"uniforms": uniforms, "prompt": prompt}
    _check(model, {name: (tensor, whole_image) for name, tensor in given.items()})
    prompts = None if prompt is None else prompt[:, None]
    return generate_images(model, left_ids, sampling, uniforms[:, None], prompt=prompts, window=window, graphs=graphs)[
        :, 0
    ]


@torch.inference_mode()
def generate_images(
    model: SparseDecoder,
    left_ids: Tensor,
    sampling: Sampling,
    uniforms: Tensor,
    *,
    prompt: Tensor | None = None,
    window: int | WindowWidth = 1,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Phase B: several images' codes after each left text, all drawn together, which share the left text's prefill.

    left_ids int64 `[batch, prompt_length]`; uniforms `[batch, num_samples, I]`; prompt int64 `[batch, num_samples, I]`
    holds codes to force and -1 where the model is free. Returns int64 `[batch, num_samples, I]` on the model's device.
    Only VQGAN codes are drawn, never special image ids. `window`: how many codes of each image a pass computes (see
    `many_codes`); 1: one by one. Where logits overflow behind guesses, the samples are drawn one by one. `graphs` may
    capture steps and passes.
    Raises ValueError for wrong shapes or codes, `NonFiniteLogitsError` (rows of left_ids) for an overflow.
    """
    config, (batch, num_samples, _) = model.config, uniforms.shape
    images = (batch, num_samples, config.image_seq_length)
    expected: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "uniforms": (uniforms, images),
        "left_ids": (left_ids, (batch, config.prompt_length)),
    }
    if prompt is not None:
        expected["prompt"] = (prompt, images)
    device = _check(model, expected)
    if prompt is not None:
        if not ((prompt >= -1) & (prompt < config.image_vocab_size)).all():
            raise ValueError(
                f"prompt codes must lie in [0, {config.image_vocab_size}), or be -1 where the model is free"
            )
        prompt = prompt.to(device)
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    graphs = graphs or StepGraphs()
    drawing = _Drawing(model, head, sampling, left_ids.to(device), uniforms.to(device), prompt, graphs)
    width = window if isinstance(window, WindowWidth) else WindowWidth((window,))
    if width.one_by_one(batch * num_samples):
        codes, not_finite = drawing.one_by_one(width)
    else:
        codes, not_finite = drawing.several_a_pass(width)
        overflowing = not_finite.sum(1).nonzero().flatten()  # perhaps behind a wrong guess alone
        if len(overflowing):
            codes[overflowing], not_finite[overflowing] = drawing.of(overflowing).one_by_one(width)
    raise_unless_finite(not_finite.sum(1), model.text_embeddings.weight.dtype)
    return codes


@dataclass(frozen=True)
class _Drawing:
    """What images are drawn with, on the model's device: shapes as in `generate_images`.

    Both ways give codes `[batch, num_samples, I]`, and how many logits of each image were not finite.
    """

    model: SparseDecoder
    head: Head
    sampling: Sampling
    left_ids: Tensor
    uniforms: Tensor
    prompt: Tensor | None
    graphs: StepGraphs

    def of(self, rows: Tensor) -> _Drawing:
        """The same of some of the left texts, int64."""
        prompt = None if self.prompt is None else self.prompt[rows]
        return replace(self, left_ids=self.left_ids[rows], uniforms=self.uniforms[rows], prompt=prompt)

    def _prefill(self, cache: Cache) -> Tensor:
        """Logits of each image's first code: `[batch * num_samples, codes]`."""
        model, num_samples, left = self.model, self.uniforms.shape[1], self.model.config.l_text_seq_length
        logits = forward_cached(model, cache, self.left_ids[:, :left], 0, self.head).repeat_interleave(num_samples, 0)
        for position in range(left, model.config.prompt_length):  # ids that the masks take for the image's
            token = self.left_ids[:, position, None].repeat_interleave(num_samples, 0)
            logits = forward_cached(model, cache, token, position, self.head)
        return logits

    def one_by_one(self, width: WindowWidth) -> tuple[Tensor, Tensor]:
        """All images in lock-step, a code a pass."""
        transformer = self.model.transformer
        batch, num_samples, steps = self.uniforms.shape
        cache: Cache = (
            CompactCache(transformer, batch) if num_samples == 1 else SharedLeftCache(transformer, batch, num_samples)
        )
        logits = self._prefill(cache)
        prompt = None if self.prompt is None else self.prompt.flatten(0, 1)
        rows = LockStep.before(self.sampling, self.uniforms.flatten(0, 1), 0, prompt=prompt)
        clock = clock_of(logits.device)
        began = clock()
        rows.draw(logits)
        step = self.graphs.repeated(partial(draw_one_code, self.model, cache, self.head, rows), steps - 1)
        for _ in range(steps - 1):
            step()
        new = len(rows.drawn) * (steps - 1)  # the first one comes of the prefill
        width.count(new, new)
        if not width.is_fixed:
            rows.not_finite.tolist()  # waits for the device
            width.measured(len(rows.drawn), 1, new, clock() - began)
        shape = (batch, num_samples)
        return rows.drawn.unflatten(0, shape), rows.not_finite.unflatten(0, shape)

    def several_a_pass(self, width: WindowWidth) -> tuple[Tensor, Tensor]:
        """All images, each at its own place, several codes a pass."""
        shape = batch, num_samples = self.uniforms.shape[:2]
        cache = ManyCodesCache(self.model.transformer, batch, num_samples, width.widest)
        prompt = None if self.prompt is None else self.prompt.flatten(0, 1)
        dim = self.model.config.image_tokens_per_dim
        logits = self._prefill(cache)
        rows = first_codes(logits, self.sampling, self.uniforms.flatten(0, 1), prompt, dim, width.widest)
        codes, not_finite = draw_rest(self.model, cache, self.head, self.sampling, rows, width, self.graphs)
        return codes.unflatten(0, shape), not_finite.unflatten(0, shape)


def draw_one_code(model: SparseDecoder, cache: Cache, head: Head, rows: LockStep) -> None:
    """Run the code that each row drew last, and draw the next one."""
    logits = forward_at(model, cache, rows.last(), rows.place, head)
    rows.place.add_(1)
    rows.draw(logits)
