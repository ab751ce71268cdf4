"""How well texts and pictures fit each other by ruCLIP, as ruDALL-E's pipeline ranks what it draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.ruclip import RuCLIP
from models.rudolph.best_of_n import Scorer

Render = Callable[[Sequence[Tensor]], Sequence[NDArray[np.uint8]]]


def ruclip_scorer(clip: RuCLIP, render: Render) -> Scorer:
    """Score pictures by the negative cosine of their and their text's latents: the lower, the better the fit.

    So does ruDALL-E's pipeline. `render`: codes, each `[I]` -> pixels, each uint8 `[H, W, 3]`.
    """

    def score(texts: Sequence[str], codes: Tensor) -> Tensor:
        rows = []
        for text, of_text in zip(texts, codes, strict=True):  # one text at a time bounds the memory
            pictures = [Image.fromarray(pixels) for pixels in render(list(of_text))]
            latents = clip.image_latents(torch.stack([clip.preprocess(picture) for picture in pictures]))  # [n, d]
            rows.append(-(latents @ clip.text_latents([text])[0]).cpu())  # [n]
        return torch.stack(rows)  # [b, n]

    return score


@torch.inference_mode()
def ruclip_scores(clip: RuCLIP, texts: Sequence[str], rgb: NDArray[np.uint8]) -> list[float]:
    """Cosines of texts and a picture, uint8 `[H, W, 3]`: the higher, the better."""
    latents = clip.image_latents(clip.preprocess(Image.fromarray(rgb))[None])  # [1, d]
    scores: list[float] = (clip.text_latents(list(texts)) @ latents[0]).tolist()
    return scores
