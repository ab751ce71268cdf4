"""Train the tiny picture tokenizer on the synthetic world: `python -m training vqgan`. Knows nothing of text or tasks.

A plain auto-encoder first, then quantised by a codebook of moving averages, exported into the published Gumbel form.
"""

from __future__ import annotations

import argparse
import math
import platform
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contest.console import say, show
from contest.errors import ContestError
from contest.writing import write_json
from errors import UserError, reason_of
from models.vqgan import VQGAN, ResnetBlock
from models.weights import save_safetensors
from training.codebook import MovingAverageCodebook, export_codebook
from training.pictures import Pictures, read_pictures
from training.tune.bars import bar

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
HELD_OUT = 256  # pictures of each kind
GATHERED_BATCHES = 8  # whose latents the codebook starts from


@dataclass(frozen=True)
class Recipe:
    """How to train. Shares are of the steps; losses are of pictures in [-1, 1]."""

    steps: int = 4000
    batch: int = 16
    seed: int = 0
    learning_rate: float = 1.5e-3
    signs: float = 0.6  # share of signs in a batch: they are the harder pictures
    gradient_weight: float = 0.5  # of the loss on differences between neighbouring pixels, which keeps edges sharp
    commitment: float = 0.25
    plain: float = 0.12  # share without quantisation
    restart_until: float = 0.8  # share after which dead codes stay, so that the decoder meets a settled codebook
    report_every: int = 250

    def __post_init__(self) -> None:
        if self.steps < 2 or self.batch < 2 or self.report_every < 1:
            raise ValueError("steps and batch must be at least 2, report_every at least 1")
        if not 0 < self.signs < 1 or not 0 < self.plain < self.restart_until <= 1:
            raise ValueError("shares must satisfy 0 < signs < 1 and 0 < plain < restart_until <= 1")

    def learning_rate_at(self, step: int) -> float:
        """Linear over the first 100 steps, then a cosine down to a fiftieth."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * cosine)


@dataclass(frozen=True)
class Report:
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


class Training:
    """A network, its codebook and its optimiser, moved on one batch at a time."""

    def __init__(self, network: VQGAN, recipe: Recipe) -> None:
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
    recipe: Recipe,
    config: dict[str, Any],
    pictures: Pictures,
    held_out: Pictures,
    on_report: Callable[[Report], None],
    on_step: Callable[[int], None] = lambda _: None,
) -> tuple[VQGAN, list[Report]]:
    """Train a VQGAN of `config` on the CPU; the same seed and thread count give the same weights."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    training = Training(VQGAN(**config), recipe)
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
            report = Report(
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


def _processor() -> str:
    """The processor's name where Linux tells it, else the machine's kind."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = argparse.ArgumentParser(prog="python -m training vqgan", description=__doc__)
    root.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    root.add_argument("--out", type=Path, required=True, metavar="DIR", help="where config and weights go")
    root.add_argument("--steps", type=int, default=Recipe.steps)
    root.add_argument("--batch", type=int, default=Recipe.batch)
    root.add_argument("--seed", type=int, default=Recipe.seed)
    root.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    root.add_argument("--signs", type=float, default=Recipe.signs, help="share of signs (default: %(default)s)")
    root.add_argument("--gradient-weight", type=float, default=Recipe.gradient_weight)
    root.add_argument("--report-every", type=int, default=Recipe.report_every, metavar="STEPS")
    return root


def main(argv: Sequence[str]) -> int:
    """Run the command; what the user can put right is told in one line, with exit code 2."""
    options = vars(parser().parse_args(argv))
    data, out = options.pop("data"), options.pop("out")
    try:
        recipe = Recipe(**options)
        out.mkdir(parents=True, exist_ok=True)  # now, not after the training
        pictures = read_pictures(data, "train", TINY["resolution"])
        held_out = read_pictures(data, "val", TINY["resolution"], HELD_OUT)
    except (UserError, OSError, ValueError) as error:
        say(f"training vqgan: {reason_of(error)}")
        return 2

    show(", ".join(f"{len(images)} {kind}" for kind, images in pictures.kinds.items()))
    with bar(desc="vqgan", total=recipe.steps, unit="step") as shown:
        network, reports = train(
            recipe, TINY, pictures, held_out, lambda report: shown.write(report.line()), lambda _: shown.update()
        )
    record = {
        "command": "python -m training vqgan " + shlex.join(argv),
        "recipe": asdict(recipe),
        "seconds": round(reports[-1].seconds, 1),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pictures": {kind: len(images) for kind, images in pictures.kinds.items()},
        "psnr": reports[-1].psnr,
        "codes": reports[-1].codes,
        "curve": [asdict(report) for report in reports],
    }
    try:
        write_vqgan(out, network, TINY, record)
    except (ContestError, OSError) as error:
        say(f"training vqgan: {reason_of(error)}")
        return 1
    show(f"VQGAN: {out}; beside bpe.model in a weights directory, `python -m training tune` takes it")
    return 0
