"""Command lines: `python -m abilities draw TEXT --output DIR` and `complete PICTURE TEXT --output DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from abilities.failures import explained
from abilities.options import (
    add_drawing_arguments,
    add_tokens_argument,
    chosen_device,
    chosen_window,
    described_text,
    new_folder,
    require_drafts,
)
from abilities.tokens import TOKENS
from contest.command_line import DONE, UsageError, number, whole
from contest.console import counted, note, show
from models.named_folders import existing_weights

if TYPE_CHECKING:
    from torch import Tensor

    from abilities.painters import Painter

SIDES = {"up": "rows of codes kept at the top", "down": "rows of codes kept at the bottom"}
SIDES |= {"left": "columns of codes kept on the left", "right": "columns of codes kept on the right"}


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `draw` takes."""
    _add_shared(parser)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="a picture whose part is kept (default: none)")


def add_complete_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `complete` takes."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the file of a picture, of which a part is kept")
    _add_shared(parser)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    add_drawing_arguments(parser, count=4)
    add = parser.add_argument
    add("--model", choices=("rudolph", "dalle"), default="rudolph", help="who draws (default: rudolph)")
    add_tokens_argument(parser)
    add("--drafts", type=whole(least=1), metavar="N", help="pictures drawn, of which the best are kept (default: all)")
    for side, meaning in SIDES.items():
        add(f"--keep-{side}", type=whole(least=0), default=0, metavar="N", help=f"{meaning} (default: 0)")
    add("--mask", type=Path, metavar="FILE", help="a picture as large: what is white is drawn anew (default: none)")
    add(
        "--crop-first",
        action="store_true",
        help="see each border alone, so that nothing of the rest shows through",
    )
    share = number(least=0, above=True, most=0.99)
    add("--guidance", type=share, metavar="SHARE", help="of a second text that draws along (default: none)")
    add(
        "--guidance-text",
        default="",
        metavar="TEXT",
        help="the second text, in which {text} is the first (default: empty)",
    )
    add(
        "--guidance-form",
        choices=("probabilities", "logits"),
        default="probabilities",
        help="what is mixed: with logits only codes come that both texts allow (default: probabilities)",
    )
    parser.set_defaults(run=run, keeps=("output", "json"))


@explained
def run(options: argparse.Namespace) -> int:
    """Draw, rank, and write pictures, a sheet, and JSON."""
    text, keep_sides = described_text(options), [getattr(options, f"keep_{side}") for side in SIDES]
    drafts = options.count if options.drafts is None else options.drafts
    _check(options, keep_sides, drafts)

    import torch

    from abilities.gallery import SHEET_NAME, contact_sheet, decoded, save_png
    from abilities.painters import PictureOrder, load_painter
    from abilities.progress import drawing_passes, passes_shown
    from contest.writing import write_json
    from models.rudolph.guidance import Guidance

    share = options.guidance
    guidance = None if share is None else Guidance(share, options.guidance_form, options.guidance_text)
    device, weights = chosen_device(options.device), existing_weights(options.weights)
    painter = load_painter(options.model, weights, device, getattr(torch, options.dtype), TOKENS[options.tokens])
    prompt = None if options.picture is None else _prompt(options, keep_sides, painter)
    output = new_folder(options.output)
    note(f"drawing {drafts}: {text}")
    window = chosen_window(options) if guidance is None else 1
    passes = drawing_passes(painter.network, drafts, options.batch, guided=guidance is not None, window=window)
    with passes_shown(painter.network, "drawing", passes, painter.graphs):
        ranked = painter.paint(PictureOrder(text, drafts, options.seed, options.batch, prompt, guidance, window))
    pictures = decoded(painter.vqgan, ranked.codes[: options.count], options.batch)
    entries = []
    for rank, (pixels, score) in enumerate(zip(pictures, ranked.scores, strict=False), 1):
        name = f"picture_{rank}.png"
        save_png(pixels, output / name)
        entries.append({"file": name, painter.score: score})
    save_png(contact_sheet(pictures), output / SHEET_NAME)
    if options.json is not None:
        drawn = {"text": text, "model": options.model, "seed": options.seed, "drafts": drafts, "pictures": entries}
        write_json(options.json, drawn, indent=1)
    made = counted(len(pictures), "picture")
    show(f"{made}, the best first: {output}; all on one sheet: {output / SHEET_NAME}")
    return DONE


def _check(options: argparse.Namespace, keep_sides: list[int], drafts: int) -> None:
    require_drafts(drafts, options.count, "picture")
    if options.picture is None and (any(keep_sides) or options.mask is not None or options.crop_first):
        raise UsageError("a part is to be kept, of no picture", "name the picture with --picture")
    if options.picture is not None and any(keep_sides) == (options.mask is not None):
        raise UsageError("a picture needs either --mask or some of --keep-up, -down, -left and -right")
    if options.mask is not None and options.crop_first:
        raise UsageError("--crop-first goes with borders, not with a mask")
    if options.guidance is None and (options.guidance_text or options.guidance_form != "probabilities"):
        raise UsageError("a second text draws along with no share", "add --guidance SHARE")
    if options.guidance is not None and options.model != "rudolph":
        raise UsageError("only RUDOLPH is guided by a second text", "leave out --guidance or --model")
    if options.guidance is not None and options.window not in ("auto", 1):
        raise UsageError("with --guidance codes are drawn one by one", "leave out --guidance or --window")


def _prompt(options: argparse.Namespace, keep_sides: list[int], painter: Painter) -> Tensor:
    """Return the codes that are kept, and -1 elsewhere. Raises UsageError where nothing would be drawn."""
    import torch

    from abilities.gallery import read_mask, read_square
    from models.image_prompts import FREE, Borders, border_prompt, mask_prompt

    vqgan, side = painter.vqgan, painter.tokens_per_side
    pixels = side * vqgan.factor
    picture = read_square(options.picture, pixels).to(vqgan.post_quant_conv.weight.device)
    with torch.inference_mode():
        if options.mask is not None:
            mask = read_mask(options.mask, options.picture, pixels)
            return mask_prompt(vqgan.encode, picture, mask, factor=vqgan.factor)
        borders = Borders(*keep_sides)
        prompt = border_prompt(vqgan.encode, picture, borders, factor=vqgan.factor, crop_first=options.crop_first)
    if not bool((prompt == FREE).any()):
        raise UsageError(
            f"all {side} x {side} codes of the picture would be kept, and nothing drawn", "keep fewer of them"
        )
    return prompt
