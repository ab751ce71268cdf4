"""Command line: `python -m training upscaler --data DIR --output DIR`."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE
from contest.console import show, show_progress
from training.measuring import add_emissions_arguments, co2_measured, emissions_record
from training.recipes import UpscalerRecipe, add_recipe_arguments, recipe_of

SIDE = 64  # of the world's pictures, in pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the upscaler")
    parser.add_argument("--scale", type=int, choices=(2, 4, 8), default=4, help="how many times as large")
    add_recipe_arguments(parser, UpscalerRecipe)
    add_emissions_arguments(parser)
    parser.set_defaults(run=run, keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from contest.writing import write_json
    from models.rrdbnet import RRDBNet, load_rrdbnet
    from models.weights import save_safetensors
    from training.pictures import read_pictures
    from training.tune.bars import bar, write_row
    from training.upscaler import HELD_OUT, TINY, measured, train

    recipe, output, began = recipe_of(options, UpscalerRecipe), options.output, time.perf_counter()
    output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    pictures = read_pictures(options.data, "train", SIDE)
    held_out = torch.cat(list(read_pictures(options.data, "val", SIDE, HELD_OUT).kinds.values())).float() / 255
    network = RRDBNet(scale=options.scale, **TINY)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    show_progress(f"{sum(map(len, pictures.kinds.values()))} pictures, {parameters} parameters")
    with (
        co2_measured(options, f"upscaler x{options.scale}", parameters, recipe.steps) as tracking,
        bar(desc="upscaler", total=recipe.steps, unit="step") as shown,
    ):
        train(network, recipe, pictures, held_out, write_row, lambda: shown.update())
    save_safetensors(network, output / "model.safetensors", torch.float16)
    # What is measured is what was written: half precision, loaded as any user loads it.
    record = {
        "scale": options.scale,
        "recipe": asdict(recipe),
        "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pictures": {kind: len(tensor) for kind, tensor in pictures.kinds.items()},
        "emissions": emissions_record(tracking, options.country),
        "validation": measured(load_rrdbnet(output), held_out),
    }
    write_json(output / "training.json", record)
    name = f"rrdbnet_x{options.scale}"
    show(f"upscaler: {output}; as `{name}` of a weights folder, `python -m abilities dream` enlarges by it")
    return DONE
