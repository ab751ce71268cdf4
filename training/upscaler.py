"""Train the tiny upscaler on the synthetic world: pictures made small, and the network that gives their size back."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rrdbnet import RRDBNet
from training.pictures import Pictures
from training.recipes import UpscalerRecipe
from training.steps import train_steps

TINY = {"num_feat": 16, "num_block": 2, "num_grow_ch": 8}
HELD_OUT = 100


def made_small(pictures: Tensor, scale: int) -> Tensor:
    """Make pictures in [0, 1], `[b, 3, h, w]`, a `scale`-th as large: bicubic, antialiased, rounded to levels."""
    small = F.interpolate(pictures, scale_factor=1 / scale, mode="bicubic", antialias=True)
    return (small.clamp(0, 1) * 255).round() / 255


def psnr(found: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio of pictures in [0, 1], in dB."""
    return float(-10 * (found.clamp(0, 1) - wanted).square().mean().log10())


@torch.no_grad()
def measured(network: RRDBNet, pictures: Tensor) -> dict[str, float]:
    """PSNR of the network's pictures and of bicubic ones, of held-out pictures in [0, 1]."""
    small = made_small(pictures, network.scale)
    bicubic = F.interpolate(small, scale_factor=float(network.scale), mode="bicubic")
    return {"psnr": psnr(network(small), pictures), "bicubic_psnr": psnr(bicubic, pictures)}


def train(
    network: RRDBNet,
    recipe: UpscalerRecipe,
    pictures: Pictures,
    held_out: Tensor,
    report: Callable[[str], None],
    after_step: Callable[[], object] = lambda: None,
) -> None:
    """Train in place on the CPU by the mean absolute error; `held_out` are pictures in [0, 1]."""
    torch.manual_seed(recipe.seed)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):  # a dense block starts near the shortcut alone, as in Real-ESRGAN's training
            nn.init.kaiming_normal_(module.weight)
            if ".rdb" in name:
                module.weight.data.mul_(0.1)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(recipe.seed)
    kinds = list(pictures.kinds)

    def loss_of_step() -> Tensor:
        shares = {kind: recipe.batch // len(kinds) + (i < recipe.batch % len(kinds)) for i, kind in enumerate(kinds)}
        wanted = pictures.batch(shares, generator)
        return F.l1_loss(network(made_small(wanted, network.scale)), wanted)

    def compared() -> str:
        return ", ".join(f"{name} {value:.2f} dB" for name, value in measured(network, held_out).items())

    train_steps(network, optimizer, recipe, loss_of_step, compared, report, after_step)
