"""Command line: `python -m abilities dream TEXT --output DIR`: ruDALL-E's whole pipeline."""

from __future__ import annotations

import argparse

from abilities.options import add_drawing_arguments, chosen_device, described_text, new_folder
from contest.command_line import DONE, UsageError, whole
from contest.console import say, show

SCALES = (1, 2, 4, 8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add_drawing_arguments(parser, count=8)
    parser.add_argument("--keep", type=whole(least=1), default=3, metavar="N", help="pictures kept, by ruCLIP's choice")
    parser.add_argument(
        "--upscale", type=int, choices=SCALES, default=4, help="how many times as large the kept ones become"
    )
    parser.set_defaults(run=run, keeps=("output", "json"))


def run(options: argparse.Namespace) -> int:
    """Draw, rank by perplexity, choose by ruCLIP, enlarge; write pictures, sheets, and JSON."""
    text = described_text(options)
    if options.keep > options.count:
        raise UsageError(
            f"of {options.count} pictures, {options.keep} can not be kept", "raise --count or lower --keep"
        )

    import torch
    from PIL import Image

    from abilities.gallery import SHEET_NAME, contact_sheet, decoded, save_png
    from abilities.painters import load_painter
    from contest.writing import write_json
    from models.dalle.generation import cherry_pick_by_ruclip
    from models.rrdbnet import load_rrdbnet, upscale
    from models.ruclip import RuCLIP
    from models.vqgan import load_vqgan

    tell = (lambda line: None) if options.quiet else say
    device = chosen_device(options.device)
    # All that is needed is loaded before the first picture is drawn: what is missing is said at once.
    painter = load_painter("dalle", options.weights, device, getattr(torch, options.dtype))
    vqgan = load_vqgan(options.weights / "vqgan", device)
    clip = RuCLIP.from_directory(options.weights / "ruclip", device)
    enlarger = None if options.upscale == 1 else load_rrdbnet(options.weights / f"rrdbnet_x{options.upscale}", device)
    output = new_folder(options.output)

    tell(f"drawing {options.count}: {text}")
    ranked = painter.paint(text, options.count, None, options.seed, options.batch)
    drawn = decoded(vqgan, ranked.codes, options.batch)
    tell("choosing by ruCLIP")
    views = torch.stack([clip.preprocess(Image.fromarray(pixels)) for pixels in drawn])
    images = torch.cat([clip.image_latents(part) for part in views.split(options.batch)])
    picked, scores = cherry_pick_by_ruclip(clip.text_latents([text]), images, options.keep)
    entries, kept = [], []
    for number, (index, score) in enumerate(zip(picked, scores, strict=True), 1):
        name, pixels = f"picture_{number}.png", drawn[index]
        save_png(pixels, output / name)
        entry: dict[str, str | float] = {"file": name, "perplexity": ranked.scores[index], "ruclip_score": score}
        if enlarger is not None:
            tell(f"enlarging {number} of {len(picked)}")
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
    show(f"{len(kept)} pictures of {options.count}, the best first: {output}; on one sheet: {output / SHEET_NAME}")
    return DONE
