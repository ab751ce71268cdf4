"""What a whole run of the submission holds in memory for each sample, with an engine that answers at once.

    python benchmarks/run_memory.py --samples 1000 30000 100000
    python benchmarks/run_memory.py --samples 30000 --pictures 0.5    # half of the samples come with a picture
    python benchmarks/run_memory.py --samples 3000 --objects 20       # what holds most, by line of code (tracemalloc)

Each size is run in a process of its own, by the very code of `submission run` (files, journal, restarts); only the
networks are stand-ins: a text is made of the sample's id, and a picture has 576 codes and 8 x 8 pixels. Resident memory
is the kernel's, in MB, when the run begins (everything imported), before the phases, when all is answered, when all is
drawn, after the phases and at the end; the peaks are those of the whole run and of the last files. The last lines
give what each further sample takes, between the smallest and the largest size. Processor seconds are those of the whole
process. Pictures are synced one by one: a folder in memory (`--folder /dev/shm`) saves waiting for the disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.peak_memory import OWN, RESET_PEAK, status_bytes
from contest.limits import IMAGES_DIR, INPUT_NAME
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.window_width import WindowWidth
from submission.engine import GeneratedImage, GeneratedText, Query
from submission.profiles import TUNED, Profile
from submission.report import RunSummary
from submission.run import run
from submission.settings import RunSettings

CODES, SIDE = 576, 8
PLACES = ("begin", "phases", "answered", "drawn", "worked", "end")
_BANK = np.random.default_rng(0).integers(0, 8192, CODES)
_QUESTION = "Сколько красных домов стоит на картинке у синего моря, и кто живёт в доме номер {}?"


class StandInEngine:
    """What `submission.engine.Engine` is to a run, at once: a sample's text and picture follow from its id."""

    def __init__(
        self, networks: Any, profile: Profile, seed: int, window: WindowWidth, graphs: StepGraphs | None = None
    ) -> None:
        self.networks, self.profile, self.seed = networks, profile, seed
        self.window, self.graphs = window, graphs or StepGraphs()
        self.steps = self.rescued = self.not_finite = 0

    def answer(self, queries: Sequence[Query]) -> list[GeneratedText]:
        """An answer of some twenty characters to each query."""
        return [GeneratedText(f"это дом номер {query.id}") for query in queries]

    def encode(self, sample_ids: Sequence[str], pixels: Sequence[Tensor]) -> list[Tensor]:
        """Codes int64 `[I]` for each picture."""
        return [codes_of(sample_id) for sample_id in sample_ids]

    def generate(self, queries: Sequence[Query]) -> list[GeneratedImage]:
        """Codes int64 `[I]` and pixels uint8 `[8, 8, 3]` for each query."""
        codes = [codes_of(query.id) for query in queries]
        return [GeneratedImage(row, rgb) for row, rgb in zip(codes, self.render(codes), strict=True)]

    def render(self, codes: Sequence[Tensor]) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
        """Pixels uint8 `[8, 8, 3]` that follow from the codes, each `[I]`."""
        return [(row[: SIDE * SIDE * 3].numpy() % 256).astype(np.uint8).reshape(SIDE, SIDE, 3) for row in codes]


def codes_of(sample_id: str) -> Tensor:
    """Return codes int64 `[I]` that are another sample's only by chance."""
    return torch.from_numpy(np.roll(_BANK, zlib.crc32(sample_id.encode()) % CODES))


def write_samples(folder: Path, samples: int, pictured: float = 0.0) -> None:
    """Write an input folder of so many samples, a share of them `pictured` (by one small file), the others texts."""
    (folder / IMAGES_DIR).mkdir(parents=True)
    Image.new("RGB", (SIDE, SIDE), (200, 30, 30)).save(folder / IMAGES_DIR / "red.png")
    with (folder / INPUT_NAME).open("w", encoding="utf-8") as file:
        for number in range(samples):
            items = [{"type": "text", "content": _QUESTION.format(number)}]
            if int((number + 1) * pictured) > int(number * pictured):
                items.append({"type": "image", "content": f"{IMAGES_DIR}/red.png"})
            file.write(f"{', ' if number else '{'}{json.dumps(f'sample{number:07}')}: ")
            file.write(json.dumps(items, ensure_ascii=False))
        file.write("}\n")


def settings_of(source: Path, output: Path, **others: Any) -> RunSettings:
    """Return the settings of a run on the CPU in batches of 32."""
    given = {"profile": TUNED, "seed": 0, "device": torch.device("cpu"), "dtype": torch.float32, "batch_size": 32}
    return RunSettings(source, output, source, **{**given, **others})


def run_at_once(settings: RunSettings) -> RunSummary:
    """Do a run as `submission run` does, with a stand-in for the networks."""
    networks = SimpleNamespace(device=settings.device, side=SIDE, ruclip=None, notes=(), flaws=())
    with (
        patch("submission.run.load_networks", lambda *_: networks),
        patch("submission.run.fingerprint", lambda _: {"stand-in": "0"}),
        patch("submission.run.Engine", StandInEngine),
    ):
        return run(settings)


@contextmanager
def looking(look: Callable[[str], None]) -> Iterator[None]:
    """Have `look` called with the name of each place that a run comes to."""
    from submission.run import _RunProcess
    from submission.scheduler import Scheduler

    def before(owner: type, name: str, place: str, after: str = "") -> Any:
        whole = getattr(owner, name)

        def looked_at(self: Any, *given: Any) -> Any:
            look(place)
            result = whole(self, *given)
            if after:
                look(after)
            return result

        return patch.object(owner, name, looked_at)

    with (
        before(Scheduler, "run", "phases", "worked"),
        before(Scheduler, "_draw", "answered", "drawn"),
        before(_RunProcess, "finish", "finish", "end"),
    ):
        yield


def measure(samples: int, pictured: float, folder: Path, objects: int) -> dict[str, float]:
    """Run once in this process; MB at the places and peaks, processor seconds."""
    source, output = folder / "input", folder / "output"
    write_samples(source, samples, pictured)
    seen: dict[str, float] = {}
    peaks = [0.0]

    def look(place: str) -> None:
        peaks.append(status_bytes("VmHWM") / 1e6)
        (OWN / "clear_refs").write_text(RESET_PEAK)
        seen[place] = status_bytes("VmRSS") / 1e6
        if objects and place in ("worked", "end"):
            print(f"-- {place}: {tracemalloc.get_traced_memory()[0] / samples:.0f} bytes a sample are held")
            for line in tracemalloc.take_snapshot().statistics("lineno")[:objects]:
                print(
                    f"{line.size / samples:8.1f} bytes, {line.count / samples:5.2f} blocks a sample: {line.traceback}"
                )

    look("begin")
    peaks.clear()
    if objects:
        tracemalloc.start()
    began = time.process_time()
    with looking(look):
        report = run_at_once(settings_of(source, output))
    seconds = time.process_time() - began
    assert len(report.answers) == samples, "every sample is answered"
    assert not report.problems, report.problems[0]
    return {
        **{place: seen[place] for place in PLACES},
        "peak": max(peaks),
        "last files": peaks[-1],
        "CPU s": seconds,
        "CPU ms each": 1000 * seconds / samples,
    }


def main() -> None:
    """Measure each size in a process of its own, and print a table of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 30_000, 100_000])
    parser.add_argument("--pictures", type=float, default=0.0, metavar="SHARE", help="of the samples with a picture")
    parser.add_argument("--folder", type=Path, help="where inputs and outputs are made (default: the system's)")
    parser.add_argument("--objects", type=int, default=0, metavar="N", help="name the N lines that hold most")
    parser.add_argument("--json", action="store_true", help="of one size: measure it in this process, print JSON")
    options = parser.parse_args()
    if options.json:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(json.dumps(measure(options.samples[0], options.pictures, Path(folder), options.objects)))
        return
    rows: dict[int, dict[str, float]] = {}
    for samples in options.samples:
        command = [sys.executable, __file__, "--json", "--samples", str(samples), "--pictures", str(options.pictures)]
        command += ["--objects", str(options.objects), *(["--folder", str(options.folder)] if options.folder else [])]
        *said, last = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        print("\n".join(said))
        rows[samples] = json.loads(last)
        if len(rows) == 1:
            print(f"{'samples':>8} " + " ".join(f"{name:>11}" for name in rows[samples]))
        print(f"{samples:8} " + " ".join(f"{value:11.2f}" for value in rows[samples].values()), flush=True)
    if len(rows) > 1:
        few, many = min(rows), max(rows)
        for name in ("worked", "end", "peak", "last files"):
            grown = (rows[many][name] - rows[few][name]) - (rows[many]["begin"] - rows[few]["begin"])
            print(f"{name}: {1e6 * grown / (many - few):.0f} bytes for each further sample")


if __name__ == "__main__":
    main()
