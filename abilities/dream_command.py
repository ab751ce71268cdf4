"""Command line: `python -m abilities dream TEXT --output DIR`: ruDALL-E's whole pipeline."""

from __future__ import annotations

import argparse

from abilities.failures import explained
from abilities.options import add_drawing_arguments, chosen_device, chosen_window, described_text, new_folder
from contest.command_line import DONE, UsageError, whole
from contest.console import counted, note, show
from models.named_folders import existing_weights

SCALES = (1, 2, 4, 8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_drawing_arguments(parser, count=8)
    parser.add_argument("--keep", type=whole(least=1), default=3, metavar="N", help="pictures kept, by ruCLIP's choice")
    parser.add_argument(
        "--upscale", type=int, choices=SCALES, default=4, help="how many times as large the kept ones become"
    )
    parser.set_defaults(run=run, keeps=("output", "json"))


@explained
def run(options: argparse.Namespace) -> int:
    """Draw, rank by perplexity, choose by ruCLIP, enlarge; write pictures, sheets, and JSON."""
    text = described_text(options)
    if options.keep > options.count:
        raise UsageError(
            f"of {counted(options.count, 'picture')}, {options.keep} can not be kept", "raise --count or lower --keep"
        )

    import torch
    from PIL import Image

    from abilities.gallery import SHEET_NAME, contact_sheet, decoded, save_png
    from abilities.networks import load_dreaming
    from abilities.painters import PictureOrder
    from abilities.progress import drawing_passes, passes_shown
    from contest.writing import write_json
    from models.dalle.generation import cherry_pick_by_ruclip
    from models.rrdbnet import upscale

    # All that is needed is loaded before the first picture is drawn: what is missing is said at once.
    device, weights = chosen_device(options.device), existing_weights(options.weights)
    networks = load_dreaming(weights, device, getattr(torch, options.dtype), options.upscale)
    painter, clip, enlarger = networks.painter, networks.clip, networks.enlarger
    output = new_folder(options.output)

    note(f"drawing {options.count}: {text}")
    window = chosen_window(options)
    passes = drawing_passes(painter.network, options.count, options.batch, window=window)
    with passes_shown(painter.network, "drawing", passes, painter.graphs):
        ranked = painter.paint(PictureOrder(text, options.count, options.seed, options.batch, window=window))
    drawn = decoded(painter.vqgan, ranked.codes, options.batch)
    note("choosing by ruCLIP")
    views = torch.stack([clip.preprocess(Image.fromarray(pixels)) for pixels in drawn])
    images = torch.cat([clip.image_latents(part) for part in views.split(options.batch)])
    picked, scores = cherry_pick_by_ruclip(clip.text_latents([text]), images, options.keep)
    entries, kept = [], []
    for number, (index, score) in enumerate(zip(picked, scores, strict=True), 1):
        name, pixels = f"picture_{number}.png", drawn[index]
        save_png(pixels, output / name)
        entry: dict[str, str | float] = {"file": name, "perplexity": ranked.scores[index], "ruclip_score": score}
        if enlarger is not None:
            note(f"enlarging {number} of {len(picked)}")
            pixels = upscale(enlarger, torch.from_numpy(pixels)).numpy()
            entry["enlarged"] = name = f"picture_{number}_x{enlarger.scale}.png"
            save_png(pixels, output / name)
        kept.append(pixels)
        entries.append(entry)
    save_png(contact_sheet(drawn), output / f"all_{SHEET_NAME}")
    save_png(contact_sheet(kept), output / SHEET_NAME)
    if options.json is not None:
        about = {"text": text, "seed": options.seed, "drawn": options.count, "upscale": options.upscale}
        write_json(options.json, {**about, "pictures": entries}, indent=1)
    made = counted(len(kept), "picture")
    show(f"{made} of {options.count}, the best first: {output}; on one sheet: {output / SHEET_NAME}")
    return DONE
