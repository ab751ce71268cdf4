"""RUDOLPH's training loss over the three segments: as published, and with its two mistakes corrected.

Published (checked against golden values): the last left position is trained to give the first image code *as a text
id*, and so the first image code is never trained as an image code. Corrected: the last left position gives the first
image code in the image vocabulary, and is no text target. Left padding counts in both, as its ids are tokens.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rudolph.config import Config

LossParts: TypeAlias = dict[str, Tensor]
SegmentWeights: TypeAlias = tuple[float, float, float]  # left text, image, right text
IGNORED_RIGHT = 0  # padding of the right text is no target


def _check_length(config: Config, n: int) -> None:
    if n != config.l_text_seq_length and n < config.prefix_length:
        raise RuntimeError(
            f"a loss needs whole segments: {config.l_text_seq_length} (left text), {config.prefix_length} (and image) "
            f"or more tokens, not {n}"
        )


def _cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean over all counted tokens of the batch; logits `[batch, n, ids]`, targets `[batch, n]`."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=ignore_index)


def _combine(parts: LossParts, weights: SegmentWeights) -> tuple[Tensor, LossParts]:
    present = [(part, weight) for part, weight in zip(parts.values(), weights, strict=False) if weight]
    total = sum(weight for _, weight in present)
    if not total:
        raise ZeroDivisionError("every segment present in the input has loss weight 0")
    loss = torch.stack([part * weight for part, weight in present]).sum() / total
    return loss, {name: part.detach() for name, part in parts.items()}


def _right_loss(config: Config, logits: Tensor, left: Tensor, ids: Tensor) -> Tensor:
    # The window is the last R positions whatever the input's length, as published: a short right text's reaches into
    # the image, and where that is small into the left text, whose padding is replaced.
    length = config.r_text_seq_length
    text = logits[:, -length:-1, : config.text_vocab]
    targets = torch.cat((left[:, 1:], ids[:, left.shape[1] :]), dim=1)
    return _cross_entropy(text, targets[:, -(length - 1) :], IGNORED_RIGHT)


def segment_loss(
    config: Config,
    logits: Tensor,
    left: Tensor,
    ids: Tensor,
    weights: SegmentWeights,
    mode: Literal["published", "corrected"] = "published",
) -> tuple[Tensor, LossParts]:
    """Compute the loss of a mode, and its unweighted parts.

    logits `[batch, n, total_vocab]`; left `[batch, L]` with padding replaced; ids `[batch, n]`. Raises `RuntimeError`
    when the input ends inside the left text or the image, `ZeroDivisionError` when all weights of the present segments
    are 0.
    """
    n, length, prefix = ids.shape[1], config.l_text_seq_length, config.prefix_length
    _check_length(config, n)
    targets, first_code = left[:, 1:], length
    if mode == "published":
        targets = torch.cat((targets, ids[:, length : length + 1]), dim=1)  # an image code, if there is one, as text
        first_code += 1
    parts = {"l_text_loss": _cross_entropy(logits[:, : targets.shape[1], : config.text_vocab], targets)}
    if n >= prefix:
        image = logits[:, first_code - 1 : prefix - 1, config.text_vocab :]
        parts["image_loss"] = _cross_entropy(image, ids[:, first_code:prefix])
    if n > prefix:
        parts["r_text_loss"] = _right_loss(config, logits, left, ids)
    return _combine(parts, weights)
