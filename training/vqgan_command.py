"""Command line: `python -m training vqgan --data DIR --output DIR`."""

from __future__ import annotations

import argparse
import platform
import shlex
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE, number, seed, whole
from contest.console import show
from training.recipes import VqganRecipe

HELD_OUT = 256  # pictures of each kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    recipe, share = VqganRecipe(), number(least=0, most=1)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the VQGAN")
    parser.add_argument("--steps", type=whole(least=2), default=recipe.steps, metavar="N", help="training steps")
    parser.add_argument("--batch", type=whole(least=2), default=recipe.batch, metavar="N", help="pictures a step")
    parser.add_argument("--seed", type=seed, default=recipe.seed, metavar="N", help="seed of weights and batches")
    parser.add_argument(
        "--learning-rate", type=number(least=0, above=True), default=recipe.learning_rate, metavar="X", help="its peak"
    )
    parser.add_argument("--signs", type=share, default=recipe.signs, metavar="X", help="share of signs in a batch")
    parser.add_argument(
        "--gradient-weight",
        type=number(least=0),
        default=recipe.gradient_weight,
        metavar="X",
        help="weight of the loss on differences between neighbouring pixels",
    )
    parser.add_argument(
        "--report-every", type=whole(least=1), default=recipe.report_every, metavar="N", help="steps between reports"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from training.pictures import read_pictures
    from training.tune.bars import bar
    from training.vqgan import TINY, train, write_vqgan

    chosen = ("steps", "batch", "seed", "learning_rate", "signs", "gradient_weight", "report_every")
    recipe = VqganRecipe(**{name: getattr(options, name) for name in chosen})
    options.output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    pictures = read_pictures(options.data, "train", TINY["resolution"])
    held_out = read_pictures(options.data, "val", TINY["resolution"], HELD_OUT)
    show(", ".join(f"{len(images)} {kind}" for kind, images in pictures.kinds.items()))
    with bar(desc="vqgan", total=recipe.steps, unit="step") as shown:
        network, reports = train(
            recipe, TINY, pictures, held_out, lambda report: shown.write(report.line()), lambda _: shown.update()
        )
    command = ["vqgan", "--data", str(options.data), "--output", str(options.output)]
    for name in chosen:
        if (value := getattr(recipe, name)) != getattr(VqganRecipe, name):
            command += [f"--{name.replace('_', '-')}", str(value)]
    record = {
        "command": f"python -m training {shlex.join(command)}",
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
    write_vqgan(options.output, network, TINY, record)
    show(f"VQGAN: {options.output}; with bpe.model in a weights directory, `python -m training tune` takes it")
    return DONE


def _processor() -> str:
    """The processor's name where Linux knows it, else the machine's kind."""
    source = Path("/proc/cpuinfo")
    lines = source.read_text(encoding="utf-8").splitlines() if source.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
