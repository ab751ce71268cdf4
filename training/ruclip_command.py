"""Command line: `python -m training ruclip --data DIR --bpe FILE --output DIR`."""

from __future__ import annotations

import argparse
import shlex
import shutil
import time
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE
from contest.console import show, show_progress
from training.recipes import RuclipRecipe, add_recipe_arguments, recipe_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="world of `data_prep synthetic`")
    parser.add_argument("--bpe", type=Path, required=True, metavar="FILE", help="tokenizer, at most 1,024 pieces")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the ruCLIP")
    add_recipe_arguments(parser, RuclipRecipe)
    parser.set_defaults(run=run, keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Train, and write the network with a record of its training."""
    import torch

    from contest.writing import write_json
    from models.bpe import BPE
    from models.ruclip import BPE_FILE, RuCLIP
    from training.ruclip import TINY, read_pairs, retrieval, train

    recipe, output, began = recipe_of(options, RuclipRecipe), options.output, time.perf_counter()
    network = RuCLIP(TINY, BPE(options.bpe))
    output.mkdir(parents=True, exist_ok=True)  # now, not after the training
    pairs, held_out = (read_pairs(options.data, split, network) for split in ("train", "val"))
    show_progress(f"{len(pairs.captions)} pairs, {sum(p.numel() for p in network.parameters())} parameters")
    train(network, recipe, pairs, held_out, show_progress)
    network.save(output, torch.float16)
    if options.bpe.resolve() != (output / BPE_FILE).resolve():
        shutil.copyfile(options.bpe, output / BPE_FILE)
    # What is measured is what was written: half precision, loaded as any user loads it.
    record = {
        "recipe": asdict(recipe),
        "seconds": round(time.perf_counter() - began, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pairs": len(pairs.captions),
        "validation": retrieval(RuCLIP.from_directory(output), held_out),
    }
    write_json(output / "training.json", record)
    weights = shlex.quote(str(output))
    show(f"ruCLIP: {output}; `python -m submission run --ruclip {weights} --draws N` chooses drawings by it")
    return DONE
