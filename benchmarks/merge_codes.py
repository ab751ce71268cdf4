"""Merging the shares of an encoding: microseconds and bytes a picture.

    python benchmarks/merge_codes.py --pictures 400000 --shares 16

The codes are random; a picture has 576 of them, as RUDOLPH's have. What is timed is what `training merge` does with
each share's cache, and beside it copying all codes into one cache, which it did before. Hard links need a file system
that has them (`--folder`).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from training.tune.data.codes_cache import CodesCache, Encoded, PictureKey

VQGAN, SIDE, LENGTH = "0" * 64, 192, 576
AT_ONCE = 1000


def entries(first: int, last: int) -> Iterator[Encoded]:
    """Yield made-up pictures with these numbers."""
    draw = np.random.default_rng(first)
    for number in range(first, last):
        digest = hashlib.sha256(b"%d" % number).digest()
        key = PictureKey(f"/data/captioning/images/{number:09}.jpg", -1, 100_000, number)
        yield Encoded(key, digest, draw.integers(0, 8192, LENGTH, dtype=np.uint16))


def filled(folder: Path, first: int, last: int) -> CodesCache:
    """Return a new cache with these pictures."""
    folder.mkdir()
    cache = CodesCache(folder, VQGAN, SIDE, LENGTH)
    cache.prepare()
    for start in range(first, last, AT_ONCE):
        cache.add(list(entries(start, min(start + AT_ONCE, last))))
    return cache


def copied(into: CodesCache, path: Path) -> None:
    """Copy all that a cache holds into another one."""
    with into._connected() as connection:
        connection.execute("ATTACH DATABASE ? AS other", (f"{path.resolve().as_uri()}?mode=ro",))
        with connection:
            for table, key in (("codes", "digest"), ("pictures", "path, row")):
                connection.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM other.{table} ORDER BY {key}")
        connection.execute("DETACH DATABASE other")


def main() -> None:
    """Time both, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000, metavar="N", help="pictures in all (default: 100000)")
    parser.add_argument("--shares", type=int, default=4, metavar="N", help="shares (default: 4)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to work (default: the temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        of_a_share = -(-options.pictures // options.shares)
        shares = [
            filled(Path(work) / f"share{n}", n * of_a_share, min((n + 1) * of_a_share, options.pictures))
            for n in range(options.shares)
        ]
        for name in ("copied", "referred to"):
            whole = filled(Path(work) / name.replace(" ", "_"), 0, 0)
            wall, processor = time.perf_counter(), time.process_time()
            for number, share in enumerate(shares):
                if name == "copied":
                    copied(whole, share.path)
                else:
                    whole.take(share.path, f"share-{number:05}.sqlite")
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            size = whole.path.stat().st_size / options.pictures
            each = 1e6 / options.pictures
            print(
                f"{name}: {wall * each:.1f} microseconds a picture ({processor * each:.1f} of a processor), "
                f"{size:.0f} bytes written"
            )
            assert whole.codes("/data/captioning/images/000000000.jpg") is not None


if __name__ == "__main__":
    main()
