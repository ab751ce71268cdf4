"""Command line: `python -m abilities reconstruct FOLDER --output DIR`: pictures to codes and back."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from abilities.failures import explained, require_finite
from abilities.options import add_machine_arguments, chosen_device, new_folder
from contest.command_line import DONE, UsageError, whole
from contest.console import counted, no_bar, show
from models.named_folders import existing_weights

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")  # those of `evaluation reconstruction`, which reads both


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder of pictures, which may hold others")
    add("--output", type=Path, required=True, metavar="DIR", help="a new or empty folder: PNGs of the same names")
    side = "of the square that is encoded, in pixels (default: what the picture tokenizer was trained with)"
    add("--side", type=whole(least=1, most=4096), metavar="N", help=side)
    add_machine_arguments(parser)
    parser.set_defaults(run=run, keeps=("output", "json"))


@explained
def run(options: argparse.Namespace) -> int:
    """Encode the centre square of each picture and decode its codes."""
    files = picture_files(options.folder)

    import torch
    from tqdm import tqdm

    from abilities.gallery import read_square, save_png
    from contest.writing import write_json
    from models.pixels import to_bytes
    from models.vqgan import load_vqgan
    from models.weights_folder import VQGAN_FOLDER

    device = chosen_device(options.device)
    vqgan = load_vqgan(existing_weights(options.weights) / VQGAN_FOLDER, device)
    side = options.side or vqgan.resolution
    if side % vqgan.factor:
        raise UsageError(f"--side {side} is no multiple of {vqgan.factor}, the pixels of a code", "name one that is")
    output, used = new_folder(options.output), set[int]()
    names = sorted(files)
    with tqdm(total=len(names), desc="reconstruct", unit="picture", disable=no_bar()) as bar:
        for start in range(0, len(names), options.batch):
            together = names[start : start + options.batch]
            pictures = torch.stack([read_square(files[name], side) for name in together]).to(device)
            with torch.inference_mode():
                codes = vqgan.encode(pictures)
                made = vqgan.decode(codes)
            require_finite(made, f"the pictures made of {files[together[0]]} and those with it")
            used.update(codes.unique().tolist())
            for name, pixels in zip(together, to_bytes(made), strict=True):
                target = output / f"{name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                save_png(pixels, target)
            bar.update(len(together))
    if options.json is not None:
        about = {"pictures": len(names), "side": side, "codes_used": len(used), "codes": vqgan.n_embed}
        write_json(options.json, about, indent=1)
    then = f"--originals {shlex.quote(str(options.folder))} --reconstructions {shlex.quote(str(output))}"
    show(
        f"{counted(len(names), 'picture')}, {len(used)} of {vqgan.n_embed} codes in use: {output} (next: "
        f"`python -m evaluation reconstruction {then}`)"
    )
    return DONE


def picture_files(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by their paths in it without ending. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", "name a folder of pictures")
    pictures: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_ENDINGS and path.is_file():
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in pictures:
                raise UsageError(f"{pictures[name]} and {path} have one name", "keep one of them, or name them apart")
            pictures[name] = path
    if not pictures:
        raise UsageError(f"{folder}: there is no picture", f"pictures end in {', '.join(PICTURE_ENDINGS)}")
    return pictures
