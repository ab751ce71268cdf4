"""Trains the tiny picture tokenizer on the synthetic world.

A plain auto-encoder first, then quantised by a codebook of moving averages, exported into the published Gumbel form.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contest.writing import write_json
from models.vqgan import VQGAN, ResnetBlock
from models.weights import save_safetensors
from training.codebook import MovingAverageCodebook, export_codebook
from training.pictures import Pictures
from training.recipes import VqganRecipe

TINY: dict[str, Any] = {
    "ch": 32,
    "ch_mult": [1, 1, 2, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "resolution": 64,
    "z_channels": 64,
    "embed_dim": 64,
    "n_embed": 1024,
}
GATHERED_BATCHES = 8  # whose latents the codebook starts from


@dataclass(frozen=True)
class VqganReport:
    """One point of the curve: PSNR in dB and codes in use, by kind of held-out picture."""

    step: int
    seconds: float
    loss: float
    psnr: dict[str, float]
    codes: dict[str, int]

    def line(self) -> str:
        """The report as one line of a log."""
        kinds = ", ".join(f"{kind} {self.psnr[kind]:.2f} dB {self.codes[kind]} codes" for kind in self.psnr)
        return f"step {self.step}  {self.seconds:.0f} s  loss {self.loss:.4f}  {kinds}"


def picture_loss(output: Tensor, pictures: Tensor, gradient_weight: float) -> Tensor:
    """Mean absolute, squared and pixel-difference errors; `output` in about [-1, 1], `pictures` in [0, 1]."""
    error = output.float() - (pictures * 2 - 1)  # [b, 3, H, W]
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + error.square().mean() + gradient_weight * edges


def _flat(grid: Tensor) -> Tensor:
    return grid.permute(0, 2, 3, 1).flatten(0, 2)  # [b, c, h, w] -> [b h w, c]


def _grid(rows: Tensor, like: Tensor) -> Tensor:
    batch, _, height, width = like.shape
    return rows.unflatten(0, (batch, height, width)).permute(0, 3, 1, 2)  # [b h w, c] -> [b, c, h, w]


class VqganTraining:
    """A network, its codebook and its optimiser, moved on one batch at a time."""

    def __init__(self, network: VQGAN, recipe: VqganRecipe) -> None:
        self.network = network
        self.recipe = recipe
        self.codebook: MovingAverageCodebook | None = None  # none while the auto-encoder warms up
        for module in network.modules():
            if isinstance(module, ResnetBlock):  # start as the shortcut alone: faster, and safe at a high rate
                nn.init.zeros_(module.conv2.weight)
        network.quantize.requires_grad_(False)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(self, index: int, pictures: Tensor, generator: torch.Generator) -> float:
        """One update on `pictures` [b, 3, H, W] in [0, 1]; returns the picture loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(index)
        with torch.autocast("cpu", torch.bfloat16):
            latents = self.network.latents(pictures).float()  # [b, embed_dim, h, w]
            if self.codebook is None:
                embedded, commitment = latents, 1e-3 * latents.square().mean()  # keeps the scale in bounds
            else:
                rows = _flat(latents.detach())
                codes = self.codebook.nearest(rows)
                coded = _grid(self.codebook.vectors[codes], latents)
                restarting = index < self.recipe.restart_until * self.recipe.steps
                self.codebook.update(rows, codes, generator if restarting else None)
                embedded = latents + (coded - latents).detach()  # straight-through gradient
                commitment = self.recipe.commitment * F.mse_loss(latents, coded)
            output = self.network.synthesize(embedded)
        loss = picture_loss(output, pictures, self.recipe.gradient_weight)
        self._optimizer.zero_grad(set_to_none=True)
        (loss + commitment).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        return loss.item()

    @torch.no_grad()
    def start_codebook(self, batches: Sequence[Tensor], generator: torch.Generator) -> None:
        """End the warm-up: make the codebook of the latents of `batches`."""
        with torch.autocast("cpu", torch.bfloat16):
            rows = torch.cat([_flat(self.network.latents(batch).float()) for batch in batches])
        self.codebook = MovingAverageCodebook.from_latents(rows, self.network.n_embed, generator)

    def export(self) -> None:
        """Write the codebook, if it has begun, into the network's classifier."""
        if self.codebook is not None:
            export_codebook(self.codebook.vectors, self.network)


@torch.no_grad()
def psnr_and_codes(network: VQGAN, pictures: Tensor, quantised: bool) -> tuple[float, int]:
    """Peak signal-to-noise ratio in dB over all `pictures` (uint8), and how many codes they use (0: not quantised)."""
    squared, used = 0.0, set[int]()
    for part in pictures.split(64):
        images = part.float() / 255
        if quantised:
            codes = network.encode(images)
            used.update(codes.unique().tolist())
            output = network.decode(codes)
        else:
            output = (network.synthesize(network.latents(images)).clamp(-1, 1) + 1) / 2
        squared += (output - images).square().sum().item()
    return 10 * math.log10(pictures.numel() / squared), len(used)


def train(
    recipe: VqganRecipe,
    config: dict[str, Any],
    pictures: Pictures,
    held_out: Pictures,
    on_report: Callable[[VqganReport], None],
    on_step: Callable[[int], None] = lambda _: None,
) -> tuple[VQGAN, list[VqganReport]]:
    """Train a VQGAN of `config` on the CPU; the same seed and thread count give the same weights."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    training = VqganTraining(VQGAN(**config), recipe)
    signs = min(recipe.batch - 1, max(1, round(recipe.batch * recipe.signs)))
    amounts = {"scenes": recipe.batch - signs, "signs": signs}
    quantise_from = max(1, round(recipe.plain * recipe.steps))
    reports, losses, began = [], list[float](), time.perf_counter()
    for step in range(recipe.steps):
        if step == quantise_from:
            gathered = [pictures.batch(amounts, generator) for _ in range(GATHERED_BATCHES)]
            training.start_codebook(gathered, generator)
        losses.append(training.step(step, pictures.batch(amounts, generator), generator))
        on_step(step + 1)
        if (step + 1) % recipe.report_every == 0 or step + 1 == recipe.steps:
            training.export()
            quantised = training.codebook is not None
            measured = {
                kind: psnr_and_codes(training.network, held, quantised) for kind, held in held_out.kinds.items()
            }
            report = VqganReport(
                step + 1,
                time.perf_counter() - began,
                sum(losses) / len(losses),
                {kind: psnr for kind, (psnr, _) in measured.items()},
                {kind: codes for kind, (_, codes) in measured.items()},
            )
            losses.clear()
            reports.append(report)
            on_report(report)
    return training.network.eval(), reports


def write_vqgan(directory: Path, network: VQGAN, config: dict[str, Any], record: dict[str, Any]) -> None:
    """Write config.json, model.safetensors (half precision, but for the classifier's bias) and training.json."""
    directory.mkdir(parents=True, exist_ok=True)
    exact = "quantize.proj.bias"  # rounding it would change which code is the nearest
    state = {name: value if name == exact else value.half() for name, value in network.state_dict().items()}
    save_safetensors(state, directory / "model.safetensors")
    write_json(directory / "config.json", config)
    write_json(directory / "training.json", record)
