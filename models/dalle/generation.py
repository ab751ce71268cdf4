"""Pictures of a text, the likeliest first: drawing by RUDOLPH's engine, and ranking by ruDALL-E's own perplexity.

Pictures are codes here. Source of the steps and of the default numbers: the published pipeline, checked against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.dalle.network import Dalle
from models.rudolph.decoding import generate_image
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.vocabulary import BOS, EOS, PAD, Tokenizer
from models.rudolph.window_width import WindowWidth

IMAGE_SAMPLING = Sampling(temperature=1.0, top_k=2048, top_p=0.995)


@dataclass(frozen=True)
class RankedImages:
    """Codes `[n, I]` and their perplexities `[n]`, ascending: the lower, the likelier."""

    codes: Tensor
    perplexity: Tensor


def encode_text(tokenizer: Tokenizer, text: str, length: int) -> Tensor:
    """Ids of a text, lower-cased and stripped: int64 `[length]`, padded with 0; one that is too long loses its EOS."""
    ids = [BOS, *tokenizer.encode(text.lower().strip()), EOS][:length]
    return torch.tensor(ids + [PAD] * (length - len(ids)), dtype=torch.int64)


def ce_to_ppl(cross_entropy: Tensor) -> Tensor:
    """Mean of exp(cross-entropy) over the positions of each row: `[batch, n]` -> `[batch]`.

    As published, a cross-entropy of exactly 0 counts neither in the sum nor in the number; a row of such has NaN.
    """
    counted = cross_entropy != 0
    return cross_entropy.exp().where(counted, 0).sum(1) / counted.sum(1)


@torch.inference_mode()
def image_perplexity(model: Dalle, text_ids: Tensor, codes: Tensor, *, batch: int = 8) -> Tensor:
    """Perplexity of pictures behind a text, of all codes but the first: text_ids `[L]`, codes `[n, I]` -> `[n]` (CPU).

    As published, in version 2, whose sequence is one longer, a code is scored by the logits of the code before it.
    """
    config = model.config
    rows = slice(config.text_vocab, config.total_vocab)
    device = model.text_embeddings.weight.device
    chunks = []
    for chunk in codes.split(batch):
        ids = torch.cat((text_ids.to(device).expand(len(chunk), -1), chunk.to(device)), dim=1)
        hidden = model.hidden(model.sequence(ids))[:, config.text_seq_length : -1]
        logits = model.head(hidden, rows).float()  # [batch, I - 1, codes]
        chunks.append(
            ce_to_ppl(F.cross_entropy(logits.transpose(1, 2), ids[:, config.text_seq_length + 1 :], reduction="none"))
        )
    return torch.cat(chunks).cpu()


def draw_codes(
    model: Dalle,
    text_ids: Tensor,
    sampling: Sampling,
    numbers: Tensor,
    *,
    prompt: Tensor | None = None,
    window: int | WindowWidth = 1,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Codes of pictures of a text, in the order of their random numbers `[n, I]`: int64 `[n, I]`.

    text_ids `[L]`; prompt `[I]` holds codes to keep, and -1 where the model is free. `window`, `graphs`, and what is
    raised, as in `generate_image`.
    """
    ids = model.sequence(text_ids.expand(len(numbers), -1))
    kept = None if prompt is None else prompt.expand(len(numbers), -1)
    return generate_image(model, ids, sampling, numbers, prompt=kept, window=window, graphs=graphs)


def generate_images(
    model: Dalle,
    text_ids: Tensor,
    count: int,
    *,
    prompt: Tensor | None = None,
    sampling: Sampling = IMAGE_SAMPLING,
    seed: int = 0,
    batch: int = 8,
    window: int | WindowWidth = 1,
    graphs: StepGraphs | None = None,
) -> RankedImages:
    """Draw `count` pictures of a text and rank them by perplexity; text_ids and what follows as in `draw_codes`.

    A picture's random numbers depend on the seed and its number alone, not on the batch.
    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"at least one picture must be drawn, not {count}")
    names = [str(number) for number in range(count)]
    numbers = uniforms(seed, names, "image", model.config.image_seq_length)
    drawn = [
        draw_codes(model, text_ids, sampling, chunk, prompt=prompt, window=window, graphs=graphs)
        for chunk in numbers.split(batch)
    ]
    return rank_images(model, text_ids, torch.cat(drawn), batch=batch)


def rank_images(model: Dalle, text_ids: Tensor, codes: Tensor, *, batch: int = 8) -> RankedImages:
    """Sort pictures of a text, codes `[n, I]`, by perplexity; equal ones keep their order."""
    perplexity = image_perplexity(model, text_ids, codes, batch=batch)
    order = perplexity.argsort(stable=True)
    return RankedImages(codes.cpu()[order], perplexity[order])


def cherry_pick_by_ruclip(text_latents: Tensor, image_latents: Tensor, count: int) -> tuple[list[int], list[float]]:
    """Which `count` pictures (all, if there are fewer) fit a text best by ruCLIP, best first, and their scores.

    text_latents `[1, width]`, image_latents `[n, width]`, both normalised; the score is their product. Of equal
    pictures the first comes first (as published, in no order that can be relied on).
    Raises ValueError for more than one text.
    """
    if len(text_latents) != 1:
        raise ValueError(f"pictures are picked for one text, not {len(text_latents)}")
    scores = (image_latents @ text_latents.T)[:, 0]
    order = scores.argsort(descending=True, stable=True)[:count]
    return order.tolist(), scores[order].tolist()
