"""Who draws: RUDOLPH, which ranks its pictures by the text behind them, or ruDALL-E, by their own perplexity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from errors import UserError
from models.bpe import BPE
from models.dalle import generation, load_dalle
from models.rudolph import load_rudolph
from models.rudolph.abilities import generate_codebooks
from models.rudolph.decoding import NonFiniteLogitsError
from models.rudolph.ranking import rank_images
from models.rudolph.vocabulary import Vocabulary

BPE_FILE, DALLE_FOLDER, RUDOLPH_FOLDER = "bpe.model", "dalle", "rudolph"


class PrecisionError(UserError):
    """The chosen precision has too little room for the network, or its weights are not finite."""


@dataclass(frozen=True)
class RankedCodes:
    """Pictures as codes `[n, I]` and their scores, best first; the lower, the better."""

    codes: Tensor
    scores: list[float]


@dataclass(frozen=True)
class Painter:
    """A network that draws.

    Attributes:
        tokens_per_side: a picture has so many codes squared.
        image_vocab: a code is less.
        score: what the scores of its pictures are.
        paint: (text, count, prompt `[I]` or None, seed, batch) -> pictures, ranked.

    """

    tokens_per_side: int
    image_vocab: int
    score: str
    paint: Callable[[str, int, Tensor | None, int, int], RankedCodes]


def load_painter(name: str, weights: Path, device: torch.device, dtype: torch.dtype) -> Painter:
    """Load `rudolph` or `dalle` of a weights folder. Raises `ModelFileError`; `paint` raises PrecisionError."""
    tokenizer = BPE(weights / BPE_FILE)
    painter = {"rudolph": _rudolph, "dalle": _dalle}[name](weights, tokenizer, device, dtype)

    def paint(text: str, count: int, prompt: Tensor | None, seed: int, batch: int) -> RankedCodes:
        try:
            return painter.paint(text, count, prompt, seed, batch)
        except NonFiniteLogitsError as error:
            message = f"{error.values} logits were not finite in {str(dtype).removeprefix('torch.')}"
            raise PrecisionError(message, "use --dtype bfloat16 or float32") from error

    return replace(painter, paint=paint)


def _dalle(weights: Path, tokenizer: BPE, device: torch.device, dtype: torch.dtype) -> Painter:
    model = load_dalle(weights / DALLE_FOLDER, device, dtype)

    def paint(text: str, count: int, prompt: Tensor | None, seed: int, batch: int) -> RankedCodes:
        ids = generation.encode_text(tokenizer, text, model.config.text_seq_length)
        ranked = generation.generate_images(model, ids, count, prompt=prompt, seed=seed, batch=batch)
        return RankedCodes(ranked.codes, ranked.perplexity.tolist())

    return Painter(model.config.image_tokens_per_dim, model.config.image_vocab_size, "perplexity", paint)


def _rudolph(weights: Path, tokenizer: BPE, device: torch.device, dtype: torch.dtype) -> Painter:
    model = load_rudolph(weights / RUDOLPH_FOLDER, device, dtype)
    vocabulary = Vocabulary(tokenizer, model.config)

    def paint(text: str, count: int, prompt: Tensor | None, seed: int, batch: int) -> RankedCodes:
        codes = generate_codebooks(model, vocabulary, text, count, prompt=prompt, seed=seed, batch=batch)
        ranking = rank_images(model, vocabulary, text, codes, batch=batch)
        order = ranking.best(count)
        return RankedCodes(codes.cpu()[order], ranking.scores[order].tolist())

    return Painter(model.config.image_tokens_per_dim, model.config.image_vocab_size, "text_and_image_score", paint)
