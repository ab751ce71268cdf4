"""Command line: `python -m training malevich --data DIR --weights DIR --output DIR`."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE
from contest.console import show, show_progress
from models.named_folders import existing_weights
from training.measuring import add_emissions_arguments, co2_measured, emissions_record
from training.recipes import MalevichRecipe, add_recipe_arguments, recipe_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="DIR|ID",
        help="folder with bpe.model, vqgan and ruclip, or the name or id of fetched ones",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the ruDALL-E")
    add_recipe_arguments(parser, MalevichRecipe)
    add_emissions_arguments(parser)
    parser.set_defaults(run=run, keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from contest.writing import write_json
    from models.bpe import BPE
    from models.dalle import Dalle, load_dalle
    from models.ruclip import RuCLIP
    from models.vqgan import load_vqgan
    from models.weights import save_safetensors
    from models.weights_folder import require_fit
    from training.malevich import TINY, encoded, held_out_loss, ruclip_score, train
    from training.ruclip import read_pairs
    from training.tune.bars import bar, write_row

    recipe, output, began = recipe_of(options, MalevichRecipe), options.output, time.perf_counter()
    weights = existing_weights(options.weights)
    bpe, vqgan = BPE(weights / "bpe.model"), load_vqgan(weights / "vqgan")
    require_fit(weights, TINY, bpe, vqgan, "ruDALL-E")
    clip = RuCLIP.from_directory(weights / "ruclip")
    output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    pairs = [read_pairs(options.data, split, clip) for split in ("train", "val")]
    model = Dalle(TINY)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    show_progress(f"{len(pairs[0].captions)} pictures, {parameters} parameters")
    with co2_measured(options, "ruDALL-E", parameters, recipe.steps) as tracking:
        drawings, held_out = (encoded(of_split, vqgan) for of_split in pairs)
        with bar(desc="malevich", total=recipe.steps, unit="step") as shown:
            train(model, recipe, drawings, held_out, bpe, write_row, lambda: shown.update())
    model.config.save(output / "config.json")
    save_safetensors(model, output / "model.safetensors", torch.float16)
    # What is measured is what was written: half precision, loaded as any user loads it.
    written = load_dalle(output)
    record = {
        "recipe": asdict(recipe),
        "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pictures": len(drawings.codes),
        "emissions": emissions_record(tracking, options.country),
        "validation": {
            **held_out_loss(written, held_out, bpe),
            **ruclip_score(written, held_out, bpe, vqgan, clip),
        },
    }
    write_json(output / "training.json", record)
    show(f"ruDALL-E: {output}; as `dalle` of a weights folder, `python -m abilities dream` draws by it")
    return DONE
