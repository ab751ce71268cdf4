"""Classifier-free guidance: pictures drawn from what two texts together make likely.

Source: the family's public API (`generate_codebooks_cfg`), in both of its forms. The idea is of Ho and Salimans
(Classifier-Free Diffusion Guidance, 2022); here the second text takes a share and is not subtracted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from errors import UserError
from models.rudolph.abilities import IMAGE_SAMPLING
from models.rudolph.compact_cache import CompactCache, SharedLeftCache
from models.rudolph.decoding import Cache, Head, forward_at, forward_cached, output_head, raise_unless_finite
from models.rudolph.lock_step import LockStep
from models.rudolph.sampling import Sampling, filtered_probabilities, sample_token, uniforms
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import BOS, EOS, PAD, Vocabulary

GuidanceForm: TypeAlias = Literal["probabilities", "logits"]
GUIDANCE_FORMS: tuple[GuidanceForm, ...] = ("probabilities", "logits")
_AS_MIXED = Sampling()  # what is mixed was filtered before
_TEXT = "{text}"


class NoCommonCodesError(UserError):
    """Of the likeliest codes of one text none is among those of the other."""


@dataclass(frozen=True)
class Guidance:
    """How a second text guides a drawing.

    Attributes:
        weight: its share, above 0 and below 1; the drawn text has the rest.
        form: what is mixed after both were filtered by temperature, top-k and top-p: `probabilities`, so that a code
            likely by either text may come; or `logits`, so that only one comes which both texts leave.
        template: the second text; `{text}` in it stands for the first one. Empty: no text at all.

    Raises ValueError for another weight or form.
    """

    weight: float = 0.2
    form: GuidanceForm = "probabilities"
    template: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < 1.0:
            raise ValueError(f"the weight of a guiding text must lie between 0 and 1, not {self.weight}")
        if self.form not in GUIDANCE_FORMS:
            raise ValueError(f"the form of a guidance must be one of {', '.join(GUIDANCE_FORMS)}, not {self.form!r}")


def guided_logits(logits: Tensor, guidance: Guidance, sampling: Sampling) -> Tensor:
    """Mix what two texts say: logits `[2, n, codes]` -> log-probabilities up to a constant `[n, codes]`.

    A row without any code that both texts leave is -inf everywhere.
    """
    first, second = filtered_probabilities(logits, sampling).log()  # -inf for what was filtered out
    share, rest = guidance.weight, 1.0 - guidance.weight
    if guidance.form == "logits":
        # The logarithm differs from the filtered logit by a number that is the same for all codes of a text.
        return first * rest + second * share
    return torch.logaddexp(first + math.log(rest), second + math.log(share))


@dataclass(frozen=True)
class _GuidedRows:
    """Pictures that are drawn in lock-step, each from two texts.

    Attributes:
        texts: a row for the first text of each picture, then one for the second of each; both have the same codes.
        without_codes: bool `[n]`, whether the two ever left no code in common.

    """

    texts: LockStep
    without_codes: Tensor
    guidance: Guidance

    def draw(self, logits: Tensor) -> None:
        """Draw the code of each picture from logits `[2 n, codes]`, in place and without synchronising."""
        texts, count = self.texts, len(self.without_codes)
        mixed = guided_logits(logits.unflatten(0, (2, count)), self.guidance, texts.sampling)
        empty = mixed.amax(1).isneginf()
        numbers = texts.uniforms[:count].index_select(1, texts.place)[:, 0]
        greedy_or_as_mixed = Sampling(top_k=1) if texts.sampling.top_k == 1 else _AS_MIXED
        code = sample_token(mixed.masked_fill(empty[:, None], 0), greedy_or_as_mixed, numbers)
        texts.draw(logits, code.repeat(2))
        if texts.prompt is not None:
            empty &= texts.prompt[:count].index_select(1, texts.place)[:, 0] < 0
        self.without_codes.logical_or_(empty)


def _draw_one_code(model: Rudolph, cache: Cache, head: Head, rows: _GuidedRows) -> None:
    """Run the code that each picture drew last behind both its texts, and draw the next one."""
    place = rows.texts.place
    logits = forward_at(model, cache, rows.texts.last(), place, head)
    place.add_(1)
    rows.draw(logits)


@torch.inference_mode()
def generate_guided(
    model: Rudolph,
    left_ids: Tensor,
    guidance: Guidance,
    sampling: Sampling,
    numbers: Tensor,
    *,
    prompt: Tensor | None = None,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Draw pictures of the first of two left texts, guided by the second: int64 `[n, I]` on the model's device.

    left_ids int64 `[2, L]`; numbers (uniforms) `[n, I]`; prompt int64 `[I]` holds codes to keep, and -1 where the
    model is free. Both texts see the same codes, and go through the network together. Greedy sampling (`top_k=1`) takes
    the likeliest code of the mixture. `graphs` may capture steps.
    Raises ValueError for wrong shapes or a model in training mode, `NoCommonCodesError`, `NonFiniteLogitsError`.
    """
    config, (count, steps) = model.config, numbers.shape
    if tuple(left_ids.shape) != (2, config.l_text_seq_length) or steps != config.image_seq_length:
        raise ValueError(
            f"two left texts of {config.l_text_seq_length} and {config.image_seq_length} numbers are needed"
        )
    if model.training:
        raise ValueError("the model is in training mode, where dropout is active; call model.eval() first")
    device = model.text_embeddings.weight.device
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    cache: Cache = CompactCache(model.transformer, 2) if count == 1 else SharedLeftCache(model.transformer, 2, count)
    kept = None if prompt is None else prompt.to(device).expand(2 * count, -1)
    texts = LockStep.before(sampling, numbers.to(device).repeat(2, 1), 0, prompt=kept)
    rows = _GuidedRows(texts, torch.zeros(count, dtype=torch.bool, device=device), guidance)
    logits = forward_cached(model, cache, left_ids.to(device), 0, head).repeat_interleave(count, 0)
    rows.draw(logits)
    step = (graphs or StepGraphs()).repeated(partial(_draw_one_code, model, cache, head, rows), steps - 1)
    for _ in range(steps - 1):
        step()
    raise_unless_finite(texts.not_finite.unflatten(0, (2, count)).sum(0), logits.dtype)
    if rows.without_codes.any():
        raise NoCommonCodesError(
            "the two texts leave no code in common", "mix probabilities, or take a guiding text that is nearer"
        )
    return texts.drawn[:count]


def _guiding_ids(vocabulary: Vocabulary, text: str, special: str) -> Tensor:
    """Ids of the guiding text `[L]`, which is not lower-cased, as published."""
    config = vocabulary.config
    marks = [vocabulary.special[special]] if config.text_special_tokens else []
    ids = [BOS, *marks, *vocabulary.tokenizer.encode(text), EOS][: config.l_text_seq_length]
    return torch.tensor(ids + [PAD] * (config.l_text_seq_length - len(ids)))


def generate_codebooks_cfg(
    model: Rudolph,
    vocabulary: Vocabulary,
    text: str,
    count: int,
    *,
    guidance: Guidance,
    prompt: Tensor | None = None,
    special: str = "<LT_T2I>",
    guiding_special: str = "<LT_UNK>",
    sampling: Sampling = IMAGE_SAMPLING,
    seed: int = 0,
    batch: int = 24,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Draw `count` pictures of a text, guided by another: codes `[count, I]`, with the random numbers of
    `generate_codebooks`, so that a guidance of hardly any weight draws the same.

    Half a batch of pictures is drawn at once, as each takes two rows. Raises as `generate_guided`, and ValueError for a
    count below 1.
    """
    if count < 1:
        raise ValueError(f"at least one picture must be drawn, not {count}")
    plain = text.lower().strip()
    guiding = _guiding_ids(vocabulary, guidance.template.replace(_TEXT, plain), guiding_special)
    left_ids = torch.stack((vocabulary.encode_left(plain, special), guiding))
    numbers = uniforms(seed, [str(number) for number in range(count)], "image", model.config.image_seq_length)
    given = model, left_ids, guidance, sampling
    chunks = numbers.split(max(1, batch // 2))
    return torch.cat([generate_guided(*given, chunk, prompt=prompt, graphs=graphs) for chunk in chunks])
