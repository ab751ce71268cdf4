"""What `training encode` takes a picture: processor milliseconds by step, and bytes of the cache.

    python benchmarks/encode.py --pictures 64 --size 640x480

The pictures are made up, as detailed as photographs of that size are (about 100 KB as JPEG at 640 x 480). The VQGAN has
the published network's dimensions and random weights, which take the same time; `--weights DIR` times another one.
Time is that of a processor, all threads together, so that other work on the machine changes it little.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from PIL import Image

from benchmarks.inference import SBER_VQGAN
from models.vqgan import VQGAN
from models.weights import save_safetensors
from training.tune.data.codes_cache import IN_A_FILE, PictureKey
from training.tune.data.image_encoder import AT_ONCE, PictureEncoder, Wanted

CODES_PER_SIDE = 24


def pictures(folder: Path, count: int, width: int, height: int) -> Iterator[Wanted]:
    """Write made-up pictures; yield what the encoder wants of each."""
    draw = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
        grain = draw.integers(-12, 13, (height, width, 3), dtype=np.int16)
        path = folder / f"{number}.jpg"
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(path, quality=85)
        status = path.stat()
        yield Wanted(
            PictureKey(str(path), IN_A_FILE, status.st_size, status.st_mtime_ns), str(number), number, path.name
        )


def published(folder: Path) -> Path:
    """Write a VQGAN of the published network's dimensions."""
    (folder / "config.json").write_text(json.dumps(SBER_VQGAN))
    save_safetensors(VQGAN(**SBER_VQGAN), folder / "model.safetensors", torch.float32)
    return folder


def main() -> None:
    """Time each step over all pictures, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=64, metavar="N", help="how many (default: 64)")
    parser.add_argument("--size", default="640x480", metavar="WxH", help="of each, in pixels (default: 640x480)")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of a VQGAN (default: one as published)")
    parser.add_argument("--device", default="cpu", help="where the network runs (default: cpu)")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        weights = options.weights or published(Path(work))
        (Path(work) / "images").mkdir()
        wanted = list(pictures(Path(work) / "images", options.pictures, width, height))
        vocabulary = int(json.loads((weights / "config.json").read_text())["n_embed"])
        encoder = PictureEncoder(weights, CODES_PER_SIDE, vocabulary, Path(work) / "cache", device=options.device)
        encoder.folder.mkdir()
        encoder.cache.prepare()
        encoder.encode(encoder.decode(wanted[:1]))  # loads the network
        spent = {"read, decoded, made smaller": 0.0, "encoded": 0.0, "into the cache": 0.0}
        for start in range(0, len(wanted), AT_ONCE):
            chunk = wanted[start : start + AT_ONCE]
            marks = [time.process_time()]
            decoded = encoder.decode(chunk)
            marks.append(time.process_time())
            encoded = encoder.encode(decoded)
            marks.append(time.process_time())
            encoder.cache.add(encoded.pictures)
            marks.append(time.process_time())
            for name, before, after in zip(spent, marks, marks[1:], strict=False):
                spent[name] += after - before
        for name, seconds in spent.items():
            print(f"{name}: {1e3 * seconds / len(wanted):.2f} processor ms a picture")
        size = sum(one.key.size for one in wanted) / len(wanted)
        kept = encoder.cache.path.stat().st_size / len(wanted)
        print(f"{size / 1e3:.0f} KB a picture read, {kept / 1e3:.2f} KB kept, {encoder.side} pixels a side")


if __name__ == "__main__":
    main()
