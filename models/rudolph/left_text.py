"""RUDOLPH as a plain language model: goes on with left texts, without a picture.

Source: the public API of the family (`generate_texts`, `generate_tokens_left`), checked against its calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errors import UserError
from models.rudolph.caches import DenseCache
from models.rudolph.decoding import forward_cached, output_head, raise_unless_finite
from models.rudolph.ranking import left_text_perplexity
from models.rudolph.sampling import Sampling, count_not_finite, sample_token, uniforms
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import BOS, EOS, PAD, Vocabulary

# Steps between two looks whether all rows have ended, on a CPU and on a GPU: there a look waits for all that is queued.
LOOK_EVERY = (1, 8)
TEXT_SAMPLING = Sampling(temperature=0.9, top_k=64, top_p=0.8)  # of the public API


class LeftTextError(UserError):
    """A beginning is longer than the left text."""


@dataclass(frozen=True)
class Continuation:
    """A text the model went on with, how many drafts gave it, and its perplexity as a left text."""

    text: str
    count: int
    perplexity: float


@torch.inference_mode()
def continue_left(
    model: Rudolph, beginning: Tensor, sampling: Sampling, numbers: Tensor, *, pieces_only: bool = False
) -> list[list[int]]:
    """Draw the ids that follow beginnings of left texts, row by row, without the EOS that ends a row.

    beginning int64 `[batch, n]`; numbers (uniforms) `[batch, steps]`. All text ids are drawn from, or with
    `pieces_only` the BPE pieces. An id above the first special token's ends a row; that one passes, as published.
    Raises `LeftTextError` unless n + steps <= L, ValueError for a model in training mode, `NonFiniteLogitsError` for an
    overflow.
    """
    config, (batch, steps), start = model.config, numbers.shape, beginning.shape[1]
    if start + steps > config.l_text_seq_length:
        raise LeftTextError(f"{start} ids and {steps} more exceed the left text of {config.l_text_seq_length}")
    if model.training:
        raise ValueError("the model is in training mode, where dropout is active; call model.eval() first")
    device = model.text_embeddings.weight.device
    head = output_head(model, slice(config.bpe_vocab if pieces_only else config.text_vocab))
    cache = DenseCache(model.transformer, batch, start + steps)
    drawn = torch.full((batch, steps), EOS, device=device)
    finished = torch.zeros(batch, dtype=torch.bool, device=device)
    not_finite = torch.zeros(batch, dtype=torch.int64, device=device)
    new, position = beginning.to(device), 0
    for step in range(steps):
        logits = forward_cached(model, cache, new, position, head)
        not_finite += count_not_finite(logits)
        token = sample_token(logits, sampling, numbers[:, step].to(device))
        token = torch.where(token > config.bpe_vocab, EOS, token)
        drawn[:, step] = token
        finished |= token == EOS
        if (step + 1) % LOOK_EVERY[device.type == "cuda"] == 0 and finished.all():
            break
        new, position = token[:, None], start + step
    raise_unless_finite(not_finite, model.text_embeddings.weight.dtype)
    return [row[: row.index(EOS)] if EOS in row else row for row in drawn.tolist()]


def _begin(vocabulary: Vocabulary, text: str, special: str | None) -> list[int]:
    return [*([BOS] if special is None else vocabulary.beginning(special)), *vocabulary.pieces(text)]


def _perplexities(
    model: Rudolph, vocabulary: Vocabulary, texts: Sequence[str], special: str | None, batch: int
) -> list[float]:
    """Perplexity of each text, encoded anew as a whole left text and cut to its length."""
    length = model.config.l_text_seq_length
    rows = [[*_begin(vocabulary, text, special), EOS][:length] for text in texts]
    values: list[float] = []
    with torch.inference_mode():
        for first in range(0, len(rows), batch):
            padded = [row + [PAD] * (length - len(row)) for row in rows[first : first + batch]]
            ids = torch.tensor(padded, device=model.text_embeddings.weight.device)
            values += left_text_perplexity(model, model.hidden(ids), ids).tolist()
    return values


def generate_texts(
    model: Rudolph,
    vocabulary: Vocabulary,
    template: str,
    drafts: int = 48,
    *,
    special: str | None = "<LT_T2T>",
    pieces_only: bool = False,
    early_stop: int | None = None,
    sampling: Sampling = TEXT_SAMPLING,
    seed: int = 0,
    batch: int = 24,
) -> list[Continuation]:
    """Go on with a template `drafts` times: the distinct texts that are not empty, the least perplexing first.

    `special=None` puts no special token behind BOS, as the contest's published code does. `pieces_only` is that of
    `continue_left`. `early_stop` is the length of the left text, template included, at most L.
    Raises `LeftTextError` for a template longer than the left text.
    """
    beginning = _begin(vocabulary, template, special)
    steps = model.config.l_text_seq_length - len(beginning)
    if steps < 0:
        problem = f"{len(beginning)} ids exceed the left text of {model.config.l_text_seq_length}"
        raise LeftTextError(problem, "shorten it")
    if early_stop is not None:
        steps = max(min(steps, early_stop - len(beginning)), 0)
    counts: Counter[str] = Counter()
    for first in range(0, drafts, batch):
        names = [str(i) for i in range(first, min(first + batch, drafts))]
        rows = torch.tensor(beginning).expand(len(names), -1)
        numbers = uniforms(seed, names, "left text", steps)
        drawn = continue_left(model, rows, sampling, numbers, pieces_only=pieces_only)
        counts.update(vocabulary.decode([*beginning, *ids]) for ids in drawn)
    counts.pop("", None)
    perplexities = _perplexities(model, vocabulary, list(counts), special, batch)
    kept = [Continuation(*counted, value) for counted, value in zip(counts.items(), perplexities, strict=True)]
    return sorted(kept, key=lambda continuation: continuation.perplexity)
