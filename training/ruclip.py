"""Trains the tiny ruCLIP on the synthetic world.

Symmetric contrastive loss (CLIP), on captions inside the published templates; equal captions are no negatives.
"""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contest.pictures import open_published, resolve_picture
from contest.reading import read_ground_truth, read_input
from errors import UserError
from evaluation.metrics.prompts import strict_prompt
from models.ruclip import TEMPLATES, RuCLIP, RuCLIPConfig
from training.recipes import RuclipRecipe
from training.steps import decayed_adamw, train_steps

TINY = RuCLIPConfig(
    embed_dim=128,
    image_resolution=64,
    vision_layers=4,
    vision_width=128,
    vision_patch_size=8,
    context_length=32,
    vocab_size=1024,
    transformer_width=128,
    transformer_heads=2,
    transformer_layers=2,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
MAX_LOGIT_SCALE = math.log(100)  # as published


class PairDataError(UserError):
    """The world's folders don't hold the pairs of caption and picture that a training needs."""


@dataclass(frozen=True)
class Pairs:
    """Preprocessed-size pictures, uint8 [n, 3, side, side], and the captions of each: at least one."""

    pictures: Tensor
    captions: tuple[tuple[str, ...], ...]


def read_pairs(directory: Path, split: str, network: RuCLIP) -> Pairs:
    """Read the pairs of the folders `captioning` (all references) and `generation` (the prompt).

    Raises PairDataError if there are none; ContestError or ContestFileError for files that are not the contest's.
    """
    pairs: list[tuple[Path, tuple[str, ...]]] = []
    for task in ("captioning", "generation"):
        folder = directory / task
        if not (folder / f"{task}_{split}.json").exists():
            continue
        truths = read_ground_truth(folder / f"{task}_{split}_answer.json")
        for key, sample in read_input(folder / f"{task}_{split}.json").items():
            if key not in truths:
                raise PairDataError(f"{folder}: sample {key!r} has no answer")
            captioned = task == "captioning"
            images = sample.images if captioned else truths[key].images
            captions = truths[key].texts if captioned else (strict_prompt(sample.texts),)
            if images and captions:
                pairs.append((resolve_picture(folder, images[0], sample_id=key), captions))
    if not pairs:
        raise PairDataError(
            f"no {split} pairs of caption and picture",
            f"write them with `python -m data_prep synthetic --output {shlex.quote(str(directory))} "
            "--tasks captioning,generation`",
            where=str(directory),
        )
    side = network.config.image_resolution
    pictures = torch.empty(len(pairs), 3, side, side, dtype=torch.uint8)
    for row, (path, _) in zip(pictures, pairs, strict=True):
        picture = open_published(path)
        if picture.size != (side, side):
            raise PairDataError(f"{path}: expected {side} x {side} pixels, got {picture.width} x {picture.height}")
        row.copy_(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    return Pairs(pictures, tuple(captions for _, captions in pairs))


def normalised(pictures: Tensor, config: RuCLIPConfig) -> Tensor:
    """Return float32 pixel values of uint8 pictures [n, 3, side, side]."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    return (pictures.float() / 255 - mean) / std


def initialise(network: RuCLIP) -> None:
    """Give every parameter a start: 1 / sqrt(width) suits narrow networks better than a fixed 0.02."""
    for name, parameter in network.named_parameters():
        if name == "logit_scale":
            nn.init.constant_(parameter, math.log(1 / 0.07))
        elif ".ln_" in f".{name}" or name.endswith("bias"):
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
        elif "embedding" in name:
            nn.init.normal_(parameter, std=0.02)
        else:
            fan_in = parameter.shape[0] if name.endswith("proj") or parameter.dim() < 2 else parameter[0].numel()
            nn.init.normal_(parameter, std=fan_in**-0.5)


class PairBatches:
    """Draws indices: some of all pairs, the rest neighbours along a random direction of the words' space."""

    def __init__(self, captions: Sequence[Sequence[str]], recipe: RuclipRecipe, generator: torch.Generator) -> None:
        words = [caption[0].lower().split() for caption in captions]
        index = {word: number for number, word in enumerate(sorted({word for line in words for word in line}), 1)}
        self._words = torch.zeros(len(words), max(map(len, words)), dtype=torch.long)  # 0: no word
        for row, line in zip(self._words, words, strict=True):
            row[: len(line)] = torch.tensor([index[word] for word in line])
        self._vocabulary = len(index) + 1
        self._size = min(recipe.batch, len(words))
        self._neighbours = int(self._size * recipe.neighbours)
        self._generator = generator

    def draw(self) -> Tensor:
        """Return int64 [batch] without repetition."""
        count = len(self._words)
        weights = torch.randn(self._vocabulary, generator=self._generator).index_fill_(0, torch.tensor([0]), 0.0)
        order = weights[self._words].sum(1).argsort()
        start = int(torch.randint(count - self._neighbours + 1, (1,), generator=self._generator))
        near = order[start : start + self._neighbours]
        others = torch.ones(count, dtype=torch.bool).index_fill_(0, near, False).nonzero().flatten()
        chosen = others[torch.randperm(len(others), generator=self._generator)[: self._size - len(near)]]
        return torch.cat([near, chosen])


def same_caption(captions: Sequence[Sequence[str]]) -> Tensor:
    """Return bool [n, n]: which of the pairs share a caption, so that they are no negatives of each other."""
    holders: dict[str, list[int]] = {}
    for number, own in enumerate(captions):
        for caption in own:
            holders.setdefault(caption, []).append(number)
    same = torch.eye(len(captions), dtype=torch.bool)
    for numbers in holders.values():
        if len(numbers) > 1:
            same[torch.tensor(numbers)[:, None], torch.tensor(numbers)] = True
    return same


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Mean of both directions' cross-entropies; `same` [n, n] off the diagonal is left out of the softmax."""
    logits = scale.exp() * F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T  # [images, texts]
    others = same & ~torch.eye(len(same), dtype=torch.bool)
    logits = logits.masked_fill(others, -torch.inf)
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@torch.no_grad()
def retrieval(network: RuCLIP, pairs: Pairs, limit: int = 500) -> dict[str, float]:
    """Return the shares of captions that find their picture, and of pictures that find their caption, first of all."""
    count = min(limit, len(pairs.captions))
    pixels = normalised(pairs.pictures[:count], network.config)
    images = torch.cat([network.image_latents(part) for part in pixels.split(100)])
    texts = [captions[0] for captions in pairs.captions[:count]]
    cosines = torch.cat([network.text_latents(texts[at : at + 100]) for at in range(0, count, 100)]) @ images.T
    same = same_caption(pairs.captions[:count])
    rows = torch.arange(count)
    return {
        "text_to_image": same[rows, cosines.argmax(1)].float().mean().item(),
        "image_to_text": same[rows, cosines.argmax(0)].float().mean().item(),
        "matching_cosine": cosines.diagonal().mean().item(),
        "other_cosine": cosines[~same].mean().item(),
    }


def train(network: RuCLIP, recipe: RuclipRecipe, pairs: Pairs, held_out: Pairs, report: Callable[[str], None]) -> None:
    """Train in place on the CPU, in bfloat16."""
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)
    initialise(network)
    batches = PairBatches(pairs.captions, recipe, torch.Generator().manual_seed(recipe.seed))

    def loss_of_step() -> Tensor:
        chosen = batches.draw()
        captions = [pairs.captions[number] for number in chosen.tolist()]
        ids = network.tokenize([chance.choice(TEMPLATES).format(chance.choice(own)) for own in captions])
        # The fused attention's backward pass in bfloat16 takes longer on a CPU than the plain one.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            texts = network.text_features(ids)
            images = network.image_features(normalised(pairs.pictures[chosen], network.config))
        return contrastive_loss(images.float(), texts.float(), network.logit_scale, same_caption(captions))

    def measured() -> str:
        return ", ".join(f"{key} {value:.3f}" for key, value in retrieval(network, held_out).items())

    @torch.no_grad()
    def bound_scale() -> None:
        network.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    train_steps(network, decayed_adamw(network, recipe), recipe, loss_of_step, measured, report, bound_scale)
