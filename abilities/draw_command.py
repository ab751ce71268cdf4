"""Command line: `python -m abilities draw TEXT --output DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from abilities.options import add_drawing_arguments, chosen_device, described_text, new_folder
from contest.command_line import DONE, UsageError, whole
from contest.console import say, show

if TYPE_CHECKING:
    from torch import Tensor

    from abilities.painters import Painter
    from models.vqgan import VQGAN

SIDES = ("up", "down", "left", "right")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_drawing_arguments(parser, count=4)
    parser.add_argument("--model", choices=("rudolph", "dalle"), default="rudolph", help="who draws")
    parser.add_argument(
        "--drafts", type=whole(least=1), metavar="N", help="pictures drawn, of which the best are kept (default: all)"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="a picture of which a part is kept")
    for side in SIDES:
        parser.add_argument(
            f"--keep-{side}", type=whole(least=0), default=0, metavar="N", help="rows or columns of codes kept there"
        )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="a picture as large: what is white is drawn anew")
    parser.add_argument("--crop-first", action="store_true", help="what is kept knows nothing of the rest")
    parser.set_defaults(run=run, keeps=("output", "json"))


def run(options: argparse.Namespace) -> int:
    """Draw, rank, and write pictures, a sheet, and JSON."""
    text, keep_sides = described_text(options), [getattr(options, f"keep_{side}") for side in SIDES]
    drafts = options.count if options.drafts is None else options.drafts
    _check(options, keep_sides, drafts)

    import torch

    from abilities.gallery import SHEET_NAME, contact_sheet, decoded, save_png
    from abilities.painters import load_painter
    from contest.writing import write_json
    from models.vqgan import load_vqgan

    device = chosen_device(options.device)
    painter = load_painter(options.model, options.weights, device, getattr(torch, options.dtype))
    vqgan = load_vqgan(options.weights / "vqgan", device)
    prompt = None if options.picture is None else _prompt(options, keep_sides, painter, vqgan)
    output = new_folder(options.output)
    if not options.quiet:
        say(f"drawing {drafts}: {text}")
    ranked = painter.paint(text, drafts, prompt, options.seed, options.batch)
    pictures = decoded(vqgan, ranked.codes[: options.count], options.batch)
    entries = []
    for number, (pixels, score) in enumerate(zip(pictures, ranked.scores, strict=False), 1):
        name = f"picture_{number}.png"
        save_png(pixels, output / name)
        entries.append({"file": name, painter.score: score})
    save_png(contact_sheet(pictures), output / SHEET_NAME)
    if options.json is not None:
        drawn = {"text": text, "model": options.model, "seed": options.seed, "drafts": drafts, "pictures": entries}
        write_json(options.json, drawn, indent=1)
    show(f"{len(pictures)} pictures, the best first: {output}; all on one sheet: {output / SHEET_NAME}")
    return DONE


def _check(options: argparse.Namespace, keep_sides: list[int], drafts: int) -> None:
    if drafts < options.count:
        raise UsageError(f"of {drafts} drafts, {options.count} pictures can not be kept", "raise --drafts")
    if options.picture is None and (any(keep_sides) or options.mask is not None or options.crop_first):
        raise UsageError("a part is to be kept, of no picture", "name the picture with --picture")
    if options.picture is not None and any(keep_sides) == (options.mask is not None):
        raise UsageError("--picture needs either --mask or some of --keep-up, -down, -left and -right")
    if options.mask is not None and options.crop_first:
        raise UsageError("--crop-first goes with borders, not with a mask")


def _prompt(options: argparse.Namespace, keep_sides: list[int], painter: Painter, vqgan: VQGAN) -> Tensor:
    import torch

    from abilities.gallery import read_mask, read_square
    from models.image_prompts import Borders, border_prompt, mask_prompt

    side = painter.tokens_per_side * vqgan.factor
    picture = read_square(options.picture, side).to(vqgan.post_quant_conv.weight.device)
    with torch.inference_mode():
        if options.mask is not None:
            mask = read_mask(options.mask, options.picture, side)
            return mask_prompt(vqgan.encode, picture, mask, factor=vqgan.factor)
        borders = Borders(*keep_sides)
        return border_prompt(vqgan.encode, picture, borders, factor=vqgan.factor, crop_first=options.crop_first)
