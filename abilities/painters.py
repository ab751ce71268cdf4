"""Who draws: RUDOLPH, which ranks its pictures by the text behind them, or ruDALL-E, by their own perplexity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from abilities.failures import require_finite
from abilities.tokens import TOKENS, TaskTokens
from models import weights
from models.bpe import BPE
from models.dalle import generation, load_dalle
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.abilities import generate_codebooks
from models.rudolph.geometry import Geometry
from models.rudolph.guidance import Guidance, generate_codebooks_cfg
from models.rudolph.ranking import rank_images
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.transformer import SparseDecoder
from models.rudolph.vocabulary import Vocabulary
from models.rudolph.window_width import WindowWidth
from models.vqgan import VQGAN, load_vqgan
from models.weights_folder import BPE_FILE, RUDOLPH_FOLDER, VQGAN_FOLDER, require_fit

DALLE_FOLDER = "dalle"


@dataclass(frozen=True)
class RankedCodes:
    """Pictures as codes `[n, I]` and their scores, best first; the lower, the better."""

    codes: Tensor
    scores: list[float]


@dataclass(frozen=True)
class PictureOrder:
    """What is to be drawn: a text, how often, the codes `[I]` of what is kept (-1: free), and how.

    `window`: codes of a picture that a pass computes, None for as many as prove fastest; with guidance it is one.
    """

    text: str
    count: int
    seed: int
    batch: int
    prompt: Tensor | None = None
    guidance: Guidance | None = None
    window: int | None = 1


@dataclass(frozen=True)
class Painter:
    """A network that draws, and the picture tokenizer whose codes it draws.

    Attributes:
        network: what draws.
        tokens_per_side: a picture has so many codes squared.
        vqgan: makes pictures of codes.
        score: what the scores of its pictures are.
        paint: draws, and ranks; raises `NotFiniteError` and `NonFiniteLogitsError`.
        graphs: what captures its steps on a GPU.

    """

    network: SparseDecoder
    tokens_per_side: int
    vqgan: VQGAN
    score: str
    paint: Callable[[PictureOrder], RankedCodes]
    graphs: StepGraphs = field(default_factory=StepGraphs)


def load_painter(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype, tokens: TaskTokens = TOKENS["fine-tuned"]
) -> Painter:
    """Load `rudolph`, which knows the tokens, or `dalle` of a weights folder. Raises `ModelFileError`."""
    tokenizer = BPE(folder / BPE_FILE)
    if name == "dalle":
        painter = _dalle(folder, tokenizer, device, dtype)
    else:
        model = load_rudolph(folder / RUDOLPH_FOLDER, device, dtype)
        painter = _rudolph(model, folder, tokenizer, device, tokens)

    def paint(order: PictureOrder) -> RankedCodes:
        ranked = painter.paint(order)
        require_finite(torch.tensor(ranked.scores), "the scores of the pictures")
        return ranked

    return replace(painter, paint=paint)


def load_fitting_vqgan(
    folder: Path, config: Geometry, tokenizer: BPE, device: torch.device, network: str = "RUDOLPH"
) -> VQGAN:
    """Load the VQGAN of a weights folder whose tokenizer and other network these are.

    Raises `WeightsFolderError` where the three do not fit, `ModelFileError` for one that is not whole or not finite.
    """
    vqgan = load_vqgan(folder / VQGAN_FOLDER, device)
    require_fit(folder, config, tokenizer, vqgan, network)
    weights.require_finite(vqgan, folder / VQGAN_FOLDER)
    return vqgan


def _dalle(folder: Path, tokenizer: BPE, device: torch.device, dtype: torch.dtype) -> Painter:
    model, graphs = load_dalle(folder / DALLE_FOLDER, device, dtype), StepGraphs.automatic(device)
    vqgan = load_fitting_vqgan(folder, model.config, tokenizer, device, "ruDALL-E")

    def paint(order: PictureOrder) -> RankedCodes:
        ids = generation.encode_text(tokenizer, order.text, model.config.text_seq_length)
        ranked = generation.generate_images(
            model,
            ids,
            order.count,
            prompt=order.prompt,
            seed=order.seed,
            batch=order.batch,
            window=WindowWidth.chosen(order.window, device),
            graphs=graphs,
        )
        return RankedCodes(ranked.codes, ranked.perplexity.tolist())

    return Painter(model, model.config.image_tokens_per_dim, vqgan, "perplexity", paint, graphs)


def _rudolph(model: Rudolph, folder: Path, tokenizer: BPE, device: torch.device, tokens: TaskTokens) -> Painter:
    vocabulary, graphs = Vocabulary(tokenizer, model.config), StepGraphs.automatic(device)

    def draw(order: PictureOrder) -> Tensor:
        if order.guidance is None:
            return generate_codebooks(
                model,
                vocabulary,
                order.text,
                order.count,
                prompt=order.prompt,
                special=tokens.draw,
                seed=order.seed,
                batch=order.batch,
                window=WindowWidth.chosen(order.window, device),
                graphs=graphs,
            )
        return generate_codebooks_cfg(
            model,
            vocabulary,
            order.text,
            order.count,
            guidance=order.guidance,
            prompt=order.prompt,
            special=tokens.draw,
            seed=order.seed,
            batch=order.batch,
            graphs=graphs,
        )

    def paint(order: PictureOrder) -> RankedCodes:
        codes = draw(order)
        ranking = rank_images(
            model,
            vocabulary,
            order.text,
            codes,
            left_special=tokens.look,
            right_special=tokens.tell,
            batch=order.batch,
        )
        best = ranking.best(order.count)
        return RankedCodes(codes.cpu()[best], ranking.scores[best].tolist())

    vqgan = load_fitting_vqgan(folder, model.config, tokenizer, device)
    return Painter(model, model.config.image_tokens_per_dim, vqgan, "text_and_image_score", paint, graphs)
