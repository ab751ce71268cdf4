"""How well texts and pictures fit each other by RUDOLPH's own perplexity. Generates nothing and reads no pictures.

Source: the public API of the RUDOLPH family (self-reranking, zero-shot classification), checked against its numbers.
Its perplexity is the mean of exp(cross-entropy) over positions, not exp of the mean: one unlikely token weighs more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.config import Config
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import PAD, Vocabulary

IMAGE_RANKING_TEXT_WEIGHT = 0.95  # ranking pictures: how probable they make the text is nearly all that counts
TEXT_RANKING_TEXT_WEIGHT = 0.05  # ranking texts: how probable they make the picture is

# (model, hidden states [n, length, hidden], ids [n, length]) -> [n]
Perplexity: TypeAlias = Callable[[Rudolph, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Ranking:
    """Perplexities of n candidates and their scores, each float32 `[n]`; the lower, the better."""

    text_perplexity: Tensor
    image_perplexity: Tensor
    scores: Tensor

    def best(self, count: int) -> list[int]:
        """Indexes of the `count` candidates with the lowest scores, best first; ties keep their order."""
        return [int(i) for i in self.scores.argsort(stable=True)[:count]]


@dataclass(frozen=True)
class Classification:
    """The chosen class, and for each class its perplexity and its score, float32 `[n]`; the lower, the better."""

    label: int
    name: str
    perplexity: Tensor
    scores: Tensor


def mean_perplexity(logits: Tensor, targets: Tensor, ignored: int | None = None) -> Tensor:
    """Mean of exp(cross-entropy) over the counted positions of each sample.

    logits `[batch, n, ids]`, targets `[batch, n]` -> float32 `[batch]`. Positions with target `ignored` don't count;
    a sample with none left has NaN.
    """
    cross_entropy = F.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")  # [batch, n]
    counted = torch.ones_like(targets, dtype=torch.bool) if ignored is None else targets != ignored
    return cross_entropy.exp().where(counted, 0).sum(1) / counted.sum(1)


def _text_rows(config: Config) -> slice:
    return slice(0, config.text_vocab - config.l_text_seq_length)  # the left padding ids are no candidates


def left_text_perplexity(model: Rudolph, hidden: Tensor, ids: Tensor) -> Tensor:
    """Perplexity of the left texts, padding not counted.

    hidden `[batch, n, hidden]` and ids `[batch, n]` hold the whole left text at least -> `[batch]`.
    """
    length = model.config.l_text_seq_length
    logits = model.head(hidden[:, : length - 1], _text_rows(model.config))
    return mean_perplexity(logits, ids[:, 1:length], PAD)


def right_text_perplexity(model: Rudolph, hidden: Tensor, ids: Tensor) -> Tensor:
    """Perplexity of the right texts, padding not counted.

    hidden `[batch, T, hidden]` and ids `[batch, T]` are whole sequences -> `[batch]`.
    """
    prefix = model.config.prefix_length
    logits = model.head(hidden[:, prefix:-1], _text_rows(model.config))
    return mean_perplexity(logits, ids[:, prefix + 1 :], PAD)


def image_perplexity(model: Rudolph, hidden: Tensor, ids: Tensor) -> Tensor:
    """Perplexity of the picture's codes after the first, which published training never taught as an image code.

    hidden `[batch, n, hidden]` and ids `[batch, n]` hold left text and picture at least -> `[batch]`.
    """
    config = model.config
    left, prefix = config.l_text_seq_length, config.prefix_length
    rows = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
    logits = model.head(hidden[:, left : prefix - 1], rows)
    return mean_perplexity(logits, ids[:, left + 1 : prefix])


def scaled_scores(text_perplexity: Tensor, image_perplexity: Tensor, text_weight: float) -> Tensor:
    """Weighted sum of the perplexities, each scaled so that its minimum is 0 and its median 1: `[n]`, `[n]` -> `[n]`.

    Where the median equals the minimum the published scaling divides by zero; here the maximum then takes the median's
    place, and candidates that are all equal score 0.
    """

    def scale(perplexity: Tensor) -> Tensor:
        low = perplexity.min()
        spread = perplexity.quantile(0.5) - low
        if not spread:
            spread = perplexity.max() - low
        return (perplexity - low) / spread if spread else torch.zeros_like(perplexity)

    return scale(text_perplexity) * text_weight + scale(image_perplexity) * (1.0 - text_weight)


def _in_batches(model: Rudolph, measures: Sequence[Perplexity], ids: Tensor, batch: int) -> list[Tensor]:
    """Measure the rows of ids `[n, length]`, at most `batch` at once: one tensor `[n]` per measure."""
    found: list[list[Tensor]] = [[] for _ in measures]
    with torch.no_grad():
        for rows in ids.to(model.text_embeddings.weight.device).split(batch):
            hidden = model.hidden(rows)
            for parts, measure in zip(found, measures, strict=True):
                parts.append(measure(model, hidden, rows))
    return [torch.cat(parts).cpu() for parts in found]


def rank_images(
    model: Rudolph,
    vocabulary: Vocabulary,
    text: str,
    codes: Tensor,
    *,
    left_text: str = "",
    left_special: str = "<LT_I2T>",
    right_special: str = "<RT_I2T>",
    text_weight: float = IMAGE_RANKING_TEXT_WEIGHT,
    batch: int = 8,
) -> Ranking:
    """Rank pictures by a text: how probable each makes it as its right text, and how probable the picture itself is.

    `left_text` keeps its case, as published. codes `[n, I]` on any device; raises ValueError when there are none.
    """
    if not len(codes):
        raise ValueError("there are no pictures to rank")
    left = vocabulary.encode_left(left_text, left_special, lower_case=False).expand(len(codes), -1)
    right = vocabulary.encode_right(text, right_special).expand(len(codes), -1)
    ids = torch.cat((left, codes.cpu(), right), dim=1)  # [n, T]
    by_text, by_image = _in_batches(model, (right_text_perplexity, image_perplexity), ids, batch)
    return Ranking(by_text, by_image, scaled_scores(by_text, by_image, text_weight))


def rank_texts(
    model: Rudolph,
    vocabulary: Vocabulary,
    texts: Sequence[str],
    codes: Tensor,
    *,
    left_special: str = "<LT_T2I>",
    text_weight: float = TEXT_RANKING_TEXT_WEIGHT,
    batch: int = 8,
) -> Ranking:
    """Rank texts by a picture: how probable each, as the left text, makes it, and how probable the text itself is.

    codes `[I]`; raises ValueError when there are no texts.
    """
    if not texts:
        raise ValueError("there are no texts to rank")
    left = torch.stack([vocabulary.encode_left(text, left_special) for text in texts])  # [n, L]
    ids = torch.cat((left, codes.cpu().expand(len(texts), -1)), dim=1)  # [n, L + I]
    by_text, by_image = _in_batches(model, (left_text_perplexity, image_perplexity), ids, batch)
    return Ranking(by_text, by_image, scaled_scores(by_text, by_image, text_weight))


def classify(
    model: Rudolph,
    vocabulary: Vocabulary,
    classes: Sequence[str],
    codes: Tensor,
    *,
    right_template: str = "{}",
    left_template: str = "",
    left_special: str = "<LT_I2T>",
    right_special: str = "<RT_I2T>",
    batch: int = 10,
) -> Classification:
    """Zero-shot classification: the class whose name is the most probable right text of the picture with codes `[I]`.

    `{}` in a template stands for the class. Scores are a softmax over the perplexities divided by their norm, as
    published. Two published mistakes are not repeated: a last chunk smaller than the batch crashed, and chunks after
    the first were scored with the first chunk's left texts; here the batch changes nothing.
    Raises ValueError when there are no classes.
    """
    if not classes:
        raise ValueError("there are no classes to choose from")
    rows = [
        torch.cat(
            (
                vocabulary.encode_left(left_template.format(name), left_special),
                codes.cpu(),
                vocabulary.encode_right(right_template.format(name), right_special),
            )
        )
        for name in classes
    ]
    (perplexity,) = _in_batches(model, (right_text_perplexity,), torch.stack(rows), batch)
    label = int(perplexity.argmin())
    return Classification(label, classes[label], perplexity, (perplexity / perplexity.norm()).softmax(0))
