"""Train the tiny ruDALL-E on the synthetic world: captions, and codes of the pictures that they describe."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from models.bpe import BPE
from models.dalle import Config, Dalle
from models.dalle.generation import encode_text, generate_images
from models.ruclip import RuCLIP
from models.vqgan import VQGAN
from training.recipes import MalevichRecipe
from training.ruclip import Pairs
from training.steps import decayed_adamw, train_steps

TINY = Config(
    num_layers=6,
    hidden_size=128,
    num_attention_heads=4,
    vocab_size=1024 + 24,
    text_seq_length=24,
    image_tokens_per_dim=8,
    image_vocab_size=1024,
    cogview_sandwich_layernorm=True,
    cogview_pb_relax=True,
    embedding_dropout_prob=0.0,
    attention_dropout_prob=0.0,
    output_dropout_prob=0.0,
    init_method_std=0.088,
)
ENCODED_AT_ONCE = 32


@dataclass(frozen=True)
class Drawings:
    """Codes of pictures, int64 `[n, I]`, and the captions of each: at least one."""

    codes: Tensor
    captions: tuple[tuple[str, ...], ...]


@torch.no_grad()
def encoded(pairs: Pairs, vqgan: VQGAN) -> Drawings:
    """Encode the pictures of captioned pairs."""
    codes = [vqgan.encode(part.float() / 255) for part in pairs.pictures.split(ENCODED_AT_ONCE)]
    return Drawings(torch.cat(codes), pairs.captions)


def ids_of(drawings: Drawings, chosen: Sequence[int], bpe: BPE, length: int, chance: random.Random | None) -> Tensor:
    """Ids of some drawings, each behind one of its captions (without `chance`, its first): int64 `[n, L + I]`."""
    captions = [drawings.captions[number] for number in chosen]
    texts = [own[0] if chance is None else chance.choice(own) for own in captions]
    return torch.cat((torch.stack([encode_text(bpe, text, length) for text in texts]), drawings.codes[list(chosen)]), 1)


@torch.no_grad()
def held_out_loss(model: Dalle, drawings: Drawings, bpe: BPE, most: int = 200) -> dict[str, float]:
    """Cross-entropy of held-out texts and pictures, in nats an id."""
    count = min(most, len(drawings.codes))
    ids = ids_of(drawings, range(count), bpe, model.config.text_seq_length, None)
    _, parts = model.loss(ids, "corrected")
    return {name: float(part) for name, part in parts.items()}


def train(
    model: Dalle,
    recipe: MalevichRecipe,
    drawings: Drawings,
    held_out: Drawings,
    bpe: BPE,
    report: Callable[[str], None],
    after_step: Callable[[], object] = lambda: None,
) -> None:
    """Train in place on the CPU, in bfloat16, by the corrected loss: the first code is learnt as a code."""
    torch.manual_seed(recipe.seed)
    chance, generator = random.Random(recipe.seed), torch.Generator().manual_seed(recipe.seed)
    model.reset_parameters()

    def loss_of_step() -> Tensor:
        chosen = torch.randint(len(drawings.codes), (recipe.batch,), generator=generator).tolist()
        ids = ids_of(drawings, chosen, bpe, model.config.text_seq_length, chance)
        with torch.autocast("cpu", torch.bfloat16):
            return model.loss(ids, "corrected")[0]

    def measured() -> str:
        losses = held_out_loss(model, held_out, bpe)
        return f"held out: {', '.join(f'{name} {value:.3f}' for name, value in losses.items())}"

    train_steps(model, decayed_adamw(model, recipe), recipe, loss_of_step, measured, report, after_step)


@torch.no_grad()
def ruclip_score(
    model: Dalle, drawings: Drawings, bpe: BPE, vqgan: VQGAN, clip: RuCLIP, most: int = 32
) -> dict[str, float]:
    """Mean cosine by ruCLIP of held-out captions with pictures drawn of them, with their own, and with each other's."""
    captions = [own[0] for own in drawings.captions[:most]]
    drawn = [generate_images(model, encode_text(bpe, text, model.config.text_seq_length), 1).codes for text in captions]
    texts = clip.text_latents(captions)

    def cosines(codes: Tensor) -> Tensor:
        pictures = (vqgan.decode(codes) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return texts @ clip.image_latents(torch.stack([clip.preprocess(Image.fromarray(one)) for one in pictures])).T

    of_drawn = cosines(torch.cat(drawn))
    others = of_drawn[~torch.eye(len(captions), dtype=torch.bool)]
    return {
        "ruclip_of_drawn": float(of_drawn.diagonal().mean()),
        "ruclip_of_true": float(cosines(drawings.codes[:most]).diagonal().mean()),
        "ruclip_of_others": float(others.mean()),
    }
