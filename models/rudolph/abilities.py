"""What the RUDOLPH family does beyond the contest: pictures of a text and captions of a picture, the best of many.

Composes decoding and ranking; pictures are codes here.
Source of the steps and of the default numbers: the public API of the family, checked against its calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from models.rudolph.decoding import answer, generate_image
from models.rudolph.left_text import TEXT_SAMPLING
from models.rudolph.ranking import rank_texts
from models.rudolph.sampling import Sampling, uniforms
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import Rudolph
from models.rudolph.vocabulary import Vocabulary
from models.rudolph.window_width import WindowWidth

IMAGE_SAMPLING = Sampling(temperature=1.0, top_k=768, top_p=0.99)
DRAFTS = 48  # texts drawn before the best are kept


@dataclass(frozen=True)
class Caption:
    """A caption, how many drafts gave it, its perplexities, and its score (the lower, the better)."""

    text: str
    count: int
    text_perplexity: float
    image_perplexity: float
    score: float


def _sample_names(count: int, batch: int) -> Iterator[list[str]]:
    """Names of `count` samples, at most `batch` at once: a sample's random numbers don't depend on the batch."""
    names = [str(i) for i in range(count)]
    yield from (names[start : start + batch] for start in range(0, count, batch))


def generate_codebooks(
    model: Rudolph,
    vocabulary: Vocabulary,
    text: str,
    count: int,
    *,
    prompt: Tensor | None = None,
    special: str = "<LT_T2I>",
    sampling: Sampling = IMAGE_SAMPLING,
    seed: int = 0,
    batch: int = 24,
    window: int | WindowWidth = 1,
    graphs: StepGraphs | None = None,
) -> Tensor:
    """Draw `count` pictures of a text: codes `[count, I]`.

    prompt `[I]` holds codes to keep (in- and outpainting) and -1 at the positions to draw; `window` as in
    `generate_images`.
    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"at least one picture must be drawn, not {count}")
    steps = model.config.image_seq_length
    left = vocabulary.encode_left(text, special)
    chunks = []
    for names in _sample_names(count, batch):
        kept = None if prompt is None else prompt.expand(len(names), -1)
        numbers = uniforms(seed, names, "image", steps)
        rows = left.expand(len(names), -1)
        chunks.append(generate_image(model, rows, sampling, numbers, prompt=kept, window=window, graphs=graphs))
    return torch.cat(chunks)


def generate_captions(
    model: Rudolph,
    vocabulary: Vocabulary,
    codes: Tensor,
    drafts: int = DRAFTS,
    *,
    right_template: str = "",
    left_text: str = "",
    left_special: str = "<LT_I2T>",
    right_special: str = "<RT_I2T>",
    early_stop: int | None = None,
    sampling: Sampling = TEXT_SAMPLING,
    seed: int = 0,
    batch: int = 24,
    graphs: StepGraphs | None = None,
) -> dict[str, int]:
    """Caption a picture with codes `[I]` `drafts` times: each text that is not empty, and how many drafts gave it.

    Every text begins with `right_template`, of which R - 1 ids are kept, so that one is drawn; `left_text` keeps its
    case: both as published. `early_stop` is the length of the right text, template included, at most R.
    A special token ends a text, as published.
    """
    pieces, allowed = model.config.bpe_vocab, slice(model.config.text_vocab - model.config.l_text_seq_length)
    template = vocabulary.right_template(right_template, right_special)[: model.config.r_text_seq_length - 1]
    steps = model.config.r_text_seq_length - len(template)
    if early_stop is not None:
        steps = max(min(steps, early_stop - len(template)), 0)
    left = vocabulary.encode_left(left_text, left_special, lower_case=False)
    counts: Counter[str] = Counter()
    for names in _sample_names(drafts, batch):
        numbers = uniforms(seed, names, "right text", steps)
        rows = left.expand(len(names), -1), codes.expand(len(names), -1)
        drawn = answer(model, *rows, template, sampling, numbers, allowed=allowed, graphs=graphs)
        texts = [takewhile(lambda token: token < pieces, ids) for ids in drawn]
        counts.update(vocabulary.decode([*template, *text]) for text in texts)
    counts.pop("", None)
    return dict(counts)


def caption_image(
    model: Rudolph,
    vocabulary: Vocabulary,
    codes: Tensor,
    count: int = 5,
    *,
    drafts: int = DRAFTS,
    right_template: str = "на картинке",
    left_special: str = "<LT_I2T>",
    right_special: str = "<RT_I2T>",
    ranking_special: str = "<LT_T2I>",
    early_stop: int | None = 64,
    sampling: Sampling = TEXT_SAMPLING,
    seed: int = 0,
    batch: int = 24,
    graphs: StepGraphs | None = None,
) -> list[Caption]:
    """Caption a picture with codes `[I]`: of `drafts` texts the `count` that fit best, best first; maybe fewer.

    The special tokens are those of pre-training; fine-tuned weights know others.
    As published, a text's score is divided by the number of drafts that gave it.
    """
    counts = generate_captions(
        model,
        vocabulary,
        codes,
        drafts,
        right_template=right_template,
        left_special=left_special,
        right_special=right_special,
        early_stop=early_stop,
        sampling=sampling,
        seed=seed,
        batch=batch,
        graphs=graphs,
    )
    if not counts:
        return []
    ranking = rank_texts(model, vocabulary, list(counts), codes, left_special=ranking_special, batch=batch)
    captions = [
        Caption(text, times, float(by_text), float(by_image), float(score) / times)
        for (text, times), by_text, by_image, score in zip(
            counts.items(), ranking.text_perplexity, ranking.image_perplexity, ranking.scores, strict=True
        )
    ]
    return sorted(captions, key=lambda caption: caption.score)[:count]
