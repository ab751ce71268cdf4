"""Command line: `python -m training malevich --data DIR --weights DIR --output DIR`."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE
from contest.console import show, show_progress
from training.recipes import MalevichRecipe, add_recipe_arguments, recipe_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="DIR", help="folder with bpe.model, vqgan and ruclip"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the ruDALL-E")
    add_recipe_arguments(parser, MalevichRecipe)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from contest.writing import write_json
    from models.bpe import BPE
    from models.dalle import Dalle, load_dalle
    from models.ruclip import RuCLIP
    from models.vqgan import load_vqgan
    from models.weights import save_safetensors
    from training.malevich import TINY, encoded, held_out_loss, ruclip_score, train
    from training.ruclip import read_pairs

    recipe, output, began = recipe_of(options, MalevichRecipe), options.output, time.perf_counter()
    bpe, vqgan = BPE(options.weights / "bpe.model"), load_vqgan(options.weights / "vqgan")
    clip = RuCLIP.from_directory(options.weights / "ruclip")
    output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    drawings, held_out = (encoded(read_pairs(options.data, split, clip), vqgan) for split in ("train", "val"))
    model = Dalle(TINY)
    show_progress(f"{len(drawings.codes)} pictures, {sum(p.numel() for p in model.parameters())} parameters")
    train(model, recipe, drawings, held_out, bpe, show_progress)
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
        "validation": {
            **held_out_loss(written, held_out, bpe),
            **ruclip_score(written, held_out, bpe, vqgan, clip),
        },
    }
    write_json(output / "training.json", record)
    show(f"ruDALL-E: {output}; as `dalle` of a weights folder, `python -m abilities dream` draws by it")
    return DONE
