"""Train the tiny ruCLIP on the synthetic world: `python -m training ruclip`. Knows nothing of scores.

Symmetric contrastive loss (CLIP), on captions inside the published templates; equal captions are no negatives.
"""

from __future__ import annotations

import argparse
import math
import random
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contest.console import say, show
from contest.errors import ContestError, ContestFileError
from contest.pictures import open_published, resolve_picture
from contest.reading import read_ground_truth, read_input
from contest.writing import write_json
from errors import reason_of
from evaluation.metrics.prompts import strict_prompt
from models.bpe import BPE, BPEFormatError
from models.ruclip import BPE_FILE, TEMPLATES, RuCLIP, RuCLIPConfig

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


class PairDataError(ValueError):
    """The world's folders don't hold the pairs of caption and picture that a training needs."""


@dataclass(frozen=True)
class Recipe:
    """How to train. `neighbours` is the share of a batch whose captions share words: the hard negatives."""

    steps: int = 800
    batch: int = 128
    seed: int = 0
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    neighbours: float = 0.5
    report_every: int = 250

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or self.report_every < 1:
            raise ValueError("steps and report_every must be at least 1, batch at least 2")
        if not 0 <= self.neighbours <= 1:
            raise ValueError("neighbours must lie in [0, 1]")

    def learning_rate_at(self, step: int) -> float:
        """Linear over the first 60 steps, then a cosine down to a fiftieth."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min(1.0, (step + 1) / 60) * (0.02 + 0.98 * cosine)


@dataclass(frozen=True)
class Pairs:
    """Preprocessed-size pictures, uint8 [n, 3, side, side], and the captions of each: at least one."""

    pictures: Tensor
    captions: tuple[tuple[str, ...], ...]


def read_pairs(directory: Path, split: str, network: RuCLIP) -> Pairs:
    """Read the pairs of the folders `captioning` (all references) and `generation` (the prompt).

    Raises PairDataError if there are none; ContestError or ContestFileError for files that are not the contest's.
    """
    found: list[tuple[Path, tuple[str, ...]]] = []
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
                found.append((resolve_picture(folder, images[0], sample_id=key), captions))
    if not found:
        raise PairDataError(
            f"{directory}: no {split} pairs of caption and picture; write them with "
            f"`python -m data_prep synthetic --output {shlex.quote(str(directory))} --tasks captioning,generation`"
        )
    side = network.config.image_resolution
    pictures = torch.empty(len(found), 3, side, side, dtype=torch.uint8)
    for row, (path, _) in zip(pictures, found, strict=True):
        picture = open_published(path)
        if picture.size != (side, side):
            raise PairDataError(f"{path}: expected {side} x {side} pixels, got {picture.width} x {picture.height}")
        row.copy_(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    return Pairs(pictures, tuple(captions for _, captions in found))


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


class Batches:
    """Draws indices: some of all pairs, the rest neighbours along a random direction of the words' space."""

    def __init__(self, captions: Sequence[Sequence[str]], recipe: Recipe, generator: torch.Generator) -> None:
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


def train(network: RuCLIP, recipe: Recipe, pairs: Pairs, held_out: Pairs, report: Callable[[str], None]) -> None:
    """Train in place on the CPU, in bfloat16."""
    torch.manual_seed(recipe.seed)
    chance = random.Random(recipe.seed)
    initialise(network)
    network.train()
    plain = [parameter for parameter in network.parameters() if parameter.dim() < 2]
    matrices = [parameter for parameter in network.parameters() if parameter.dim() >= 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))
    batches = Batches(pairs.captions, recipe, torch.Generator().manual_seed(recipe.seed))
    losses, began = list[float](), time.perf_counter()
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        chosen = batches.draw()
        captions = [pairs.captions[number] for number in chosen.tolist()]
        ids = network.tokenize([chance.choice(TEMPLATES).format(chance.choice(own)) for own in captions])
        # The fused attention's backward pass in bfloat16 takes longer on a CPU than the plain one.
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            texts = network.text_features(ids)
            images = network.image_features(normalised(pairs.pictures[chosen], network.config))
        loss = contrastive_loss(images.float(), texts.float(), network.logit_scale, same_caption(captions))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            network.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        losses.append(loss.item())
        if (step + 1) % recipe.report_every == 0 or step + 1 == recipe.steps:
            measured = ", ".join(f"{key} {value:.3f}" for key, value in retrieval(network, held_out).items())
            mean = sum(losses) / len(losses)
            report(f"step {step + 1}  {time.perf_counter() - began:.0f} s  loss {mean:.4f}  {measured}")
            losses.clear()
    network.eval()


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = argparse.ArgumentParser(prog="python -m training ruclip", description=__doc__)
    root.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    root.add_argument("--bpe", type=Path, required=True, metavar="FILE", help="tokenizer, at most 1,024 pieces")
    root.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the ruCLIP directory goes")
    root.add_argument("--steps", type=int, default=Recipe.steps)
    root.add_argument("--batch", type=int, default=Recipe.batch)
    root.add_argument("--seed", type=int, default=Recipe.seed)
    root.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    root.add_argument("--neighbours", type=float, default=Recipe.neighbours, help="share (default: %(default)s)")
    root.add_argument("--report-every", type=int, default=Recipe.report_every, metavar="STEPS")
    return root


def main(argv: Sequence[str]) -> int:
    """Run the command; what the user can put right is told in one line, with exit code 2."""
    options = vars(parser().parse_args(argv))
    data, bpe_file, out = options.pop("data"), options.pop("bpe"), options.pop("out")
    began = time.perf_counter()
    try:
        recipe = Recipe(**options)
        network = RuCLIP(TINY, BPE(bpe_file))
        out.mkdir(parents=True, exist_ok=True)  # now, not after the training
        pairs, held_out = read_pairs(data, "train", network), read_pairs(data, "val", network)
    except (ContestError, ContestFileError, BPEFormatError, OSError, ValueError) as error:
        say(f"training ruclip: {reason_of(error)}")
        return 2
    show(f"{len(pairs.captions)} pairs, {sum(p.numel() for p in network.parameters())} parameters")
    train(network, recipe, pairs, held_out, lambda line: show(line))
    network.save(out, torch.float16)
    if bpe_file.resolve() != (out / BPE_FILE).resolve():
        shutil.copyfile(bpe_file, out / BPE_FILE)
    # What is measured is what was written: half precision, loaded as any user loads it.
    record = {
        "recipe": asdict(recipe),
        "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pairs": len(pairs.captions),
        "validation": retrieval(RuCLIP.from_directory(out), held_out),
    }
    write_json(out / "training.json", record)
    show(f"ruCLIP: {out}; `python -m submission run --ruclip {shlex.quote(str(out))} --draws N` chooses drawings by it")
    return 0
