"""Several pictures a text, and the best of them: generate, score, choose (as ruDALL-E's pipeline does with ruCLIP).

Knows texts and codes; who scores is the caller's choice: RUDOLPH's own perplexity, or any function of texts and codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from models.rudolph.ranking import IMAGE_RANKING_TEXT_WEIGHT, rank_images
from models.rudolph.sampling import uniforms
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import Vocabulary


class Scorer(Protocol):
    """How well pictures fit their texts."""

    def __call__(self, texts: Sequence[str], codes: Tensor) -> Tensor:
        """Scores `[batch, n]` of codes `[batch, n, I]`; the lower, the better; of one row comparable."""
        ...


def best_of_n_uniforms(seed: int, sample_ids: Sequence[str], stream: str, steps: int, numbers: range) -> Tensor:
    """Random numbers in [0, 1) of some samples of each text: float32 `[batch, n, steps]`, on the CPU.

    A row depends on (seed, stream, sample id, its number in `numbers`) alone, and number 0 has the random numbers of
    what is generated once: `range(0, 1)` gives that picture, and `range(4, 8)` four more than the first four.
    """
    streams = [stream if number == 0 else f"{stream} {number}" for number in numbers]
    return torch.stack([uniforms(seed, sample_ids, name, steps) for name in streams], dim=1)


def best_indices(scores: Tensor) -> list[int]:
    """Which of the n pictures of each text is the best: scores `[batch, n]`, the lower the better -> one index a text.

    Of equal scores the first wins; one that is no number never wins over one that is.
    """
    return [int(number) for number in scores.float().nan_to_num(nan=torch.inf).argmin(1)]


def perplexity_scorer(
    model: Rudolph, vocabulary: Vocabulary, *, text_weight: float = IMAGE_RANKING_TEXT_WEIGHT, batch: int = 8
) -> Scorer:
    """Score pictures by RUDOLPH's own perplexity of the text behind each, and of the picture itself (`rank_images`)."""

    def score(texts: Sequence[str], codes: Tensor) -> Tensor:
        rankings = (
            rank_images(model, vocabulary, text, of_text, text_weight=text_weight, batch=batch)
            for text, of_text in zip(texts, codes, strict=True)
        )
        return torch.stack([ranking.scores for ranking in rankings])

    return score


def choose(scorer: Scorer, texts: Sequence[str], codes: Tensor) -> tuple[Tensor, list[int]]:
    """The best picture of each text and its index: codes `[batch, n, I]` -> `[batch, I]`, one index a text.

    Raises ValueError where the scorer's answer has another shape than `[batch, n]`.
    """
    if codes.shape[1] == 1:  # nothing to choose from, so nothing to score
        return codes[:, 0], [0] * len(codes)
    scores = scorer(texts, codes)
    if scores.shape != codes.shape[:2]:
        raise ValueError(f"scores must have shape {list(codes.shape[:2])}, not {list(scores.shape)}")
    indices = best_indices(scores)
    return codes[torch.arange(len(codes)), indices], indices
