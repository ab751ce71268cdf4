"""Command line: `python -m training vqgan --data DIR --output DIR`."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE
from contest.console import show, show_progress
from contest.emissions.processor_time import processor_name
from training.recipes import VqganRecipe, add_recipe_arguments, changed_options, recipe_of

HELD_OUT = 256  # pictures of each kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the VQGAN")
    add_recipe_arguments(parser, VqganRecipe)
    parser.set_defaults(run=run, keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from training.pictures import read_pictures
    from training.tune.bars import bar, write_row
    from training.vqgan import TINY, train, write_vqgan

    recipe = recipe_of(options, VqganRecipe)
    options.output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    pictures = read_pictures(options.data, "train", TINY["resolution"])
    held_out = read_pictures(options.data, "val", TINY["resolution"], HELD_OUT)
    show_progress(", ".join(f"{len(images)} {kind}" for kind, images in pictures.kinds.items()))
    with bar(desc="vqgan", total=recipe.steps, unit="step") as shown:
        network, reports = train(
            recipe, TINY, pictures, held_out, lambda report: write_row(report.line()), lambda _: shown.update()
        )
    command = ["vqgan", "--data", str(options.data), "--output", str(options.output), *changed_options(recipe)]
    record = {
        "command": f"python -m training {shlex.join(command)}",
        "recipe": asdict(recipe),
        "seconds": round(reports[-1].seconds, 1),
        "processor": processor_name(),
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
