"""A whole run on samples of both kinds, beside the published code's work on as many: seconds a sample, and of what.

    python benchmarks/end_to_end.py --samples 8 32 --dtype fp32 bf16 --threads 1

Half of the samples are texts, for which a picture is drawn and an answer written, and half pictures with a question.
What is timed is `submission.run.run`, profile `tuned`, but for loading: the networks (RUDOLPH of a published size, the
VQGAN at full size) are made in memory, with random weights that never end an answer early. No sample has options of
its own, so that every answer takes all its steps.

The first run of a process also pays for memory that nobody had before, of which the published steps, measured warm, are
free: the same number of samples given twice (`--samples 32 32`) shows both.

The published work is that of `published_loop.py`, in batches of `--published-batch` and float32: encode the pictures,
draw one for each text, render them, then all right-text steps for all samples. Its steps are measured at the
beginning, in the middle and at the end of each phase, and the rest follows by Simpson's rule; around each of our runs,
by turns. Times are of the processor, of all threads together.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import statistics
import sys
import tempfile
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import models.rudolph.decoding as decoding
import models.rudolph.lock_step as lock_step
import submission.run
from benchmarks.decode import DTYPES, IMAGE_SAMPLING, TEXT_SAMPLING, as_in_a_run, configuration
from benchmarks.inference import SBER_VQGAN
from benchmarks.peak_memory import peak_bytes
from benchmarks.published_loop import PublishedLoop
from contest.writing import write_json
from models.rudolph import SIZES, Config, Rudolph
from models.rudolph.caches import DenseCache
from models.rudolph.vocabulary import EOS, Vocabulary
from models.vqgan import VQGAN
from submission.loading import Networks, prepared
from submission.profiles import TUNED
from submission.settings import RunSettings

CPU = torch.device("cpu")
FIRST_PIECE = 4  # behind the special ids
NEVER = -1e4  # a bias that keeps an id from being drawn
QUESTION = "сколько птиц на этой картинке и какого они цвета?"


class Words:
    """A tokenizer for random weights: each word an id of its own, as far as there are some."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def encode(self, text: str) -> list[int]:
        """Ids of the words of a text."""
        return [FIRST_PIECE + zlib.crc32(word.encode()) % (self.pieces - FIRST_PIECE) for word in text.split()]

    def decode(self, ids: Sequence[int], ignore: Sequence[int] = ()) -> str:
        """The ids in letters."""
        return " ".join(f"w{index}" for index in ids if index not in ignore)


class Parts:
    """Processor seconds of the calling thread by part of the work: what a part calls of others is theirs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: dict[int, list[float]] = defaultdict(list)  # by thread: what the parts within each open one took

    def timed(self, work: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """The same work, its time added to the part that `name` says from its arguments."""

        def clocked(*args: Any, **kwargs: Any) -> Any:
            open_parts, start = self._inner[threading.get_ident()], time.thread_time()
            open_parts.append(0.0)
            try:
                return work(*args, **kwargs)
            finally:
                spent = time.thread_time() - start
                self.seconds[name(*args, **kwargs)] += spent - open_parts.pop()
                if open_parts:
                    open_parts[-1] += spent

        return clocked

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Time what the engine calls meanwhile."""

        def pass_name(_: Any, cache: Any, ids: Tensor, *__: Any) -> str:
            answers = isinstance(cache, DenseCache)
            if ids.shape[1] > 1:
                return "prefill of answers" if answers else "prefill of drawings"
            return "right-text steps" if answers else "drawing steps"

        def timed_head(*args: Any) -> decoding.Head:
            head: decoding.Head = self.timed(make_head(*args), lambda *_: "output head")
            return head

        make_head = self.timed(decoding.output_head, lambda *_: "packing the head")
        with contextlib.ExitStack() as stack:
            for owner, attribute, replaced in (
                (decoding, "forward_cached", self.timed(decoding.forward_cached, pass_name)),
                (decoding, "forward_at", self.timed(decoding.forward_at, pass_name)),
                (lock_step, "sample_token", self.timed(lock_step.sample_token, lambda *_: "choosing tokens")),
                (decoding, "output_head", timed_head),
                (VQGAN, "encode", self.timed(VQGAN.encode, lambda *_: "VQGAN, encoding")),
                (VQGAN, "decode", self.timed(VQGAN.decode, lambda *_: "VQGAN, rendering")),
            ):
                stack.enter_context(mock.patch.object(owner, attribute, replaced))
            yield


def random_model(config: Config) -> Rudolph:
    """A model of random weights that ends no answer."""
    torch.manual_seed(0)
    model = Rudolph(config).eval()
    with torch.no_grad():
        model.to_logits[1].bias[EOS] = NEVER
    return model


def write_samples(folder: Path, samples: int, side: int) -> None:
    """`input.json` and its pictures: texts and pictures by turns."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    wire: dict[str, list[dict[str, str]]] = {}
    for number in range(samples):
        if number % 2:
            path = f"images/{number}.png"
            Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / path)
            wire[str(number)] = [{"type": "text", "content": QUESTION}, {"type": "image", "content": path}]
        else:
            wire[str(number)] = [{"type": "text", "content": f"большая картина номер {number} с птицами у моря"}]
    write_json(folder / "input.json", wire)


@dataclass(frozen=True)
class OurRun:
    """One run: processor seconds in all and by part, and the most memory beyond what was there before, in bytes."""

    seconds: float
    parts: dict[str, float]
    peak: int


def our_run(networks: Networks, samples: int, batch_size: int | None) -> OurRun:
    """Run the submission on some samples, with networks in memory."""
    parts, seconds = Parts(), 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder / "input", samples, networks.side)
        settings = RunSettings(
            folder / "input", folder / "output", networks.folder, TUNED, 0, CPU, networks.dtype, batch_size=batch_size
        )

        def run() -> None:
            nonlocal seconds
            start = time.process_time()
            summary = submission.run.run(settings)
            seconds = time.process_time() - start
            assert not summary.problems, summary.problems

        with mock.patch.object(submission.run, "load_networks", return_value=networks), parts.watching():
            peak = peak_bytes(run, CPU)
    shown = dict(sorted(parts.seconds.items(), key=lambda part: -part[1]))
    return OurRun(seconds, {**shown, "all else": seconds - sum(shown.values())}, peak)


@dataclass(frozen=True)
class PublishedWork:
    """The published loop's work on a batch of both kinds, timed by steps at three places of each phase."""

    model: Rudolph
    vqgan: VQGAN
    batch: int
    steps: int

    @torch.inference_mode()
    def parts(self) -> dict[str, float]:
        """Processor seconds of a batch, by part."""
        config, drawn = self.model.config, self.batch // 2
        side = self.vqgan.factor * config.image_tokens_per_dim
        image_rows = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
        left, prefix, total = config.l_text_seq_length, config.prefix_length, config.total_seq_length
        codes = torch.zeros(drawn, config.image_seq_length, dtype=torch.int64)
        with mock.patch("models.convolution.has_kernels", return_value=False):  # they convolve directly
            return {
                "encoding": self._median(lambda: self.vqgan.encode(torch.rand(drawn, 3, side, side)), 1),
                "prefill of drawings": self._median(lambda: self.model(self._ids(drawn, left)), 1),
                "drawing steps": self._phase(drawn, left, prefix - 1, image_rows),
                "rendering": self._median(lambda: self.vqgan.decode(codes), 1),
                "prefill of answers": self._median(lambda: self.model(self._ids(self.batch, prefix + 2)), 1),
                "right-text steps": self._phase(self.batch, prefix + 2, total - 1, slice(0, config.bpe_vocab)),
            }

    def _ids(self, batch: int, length: int) -> Tensor:
        return torch.ones(batch, length, dtype=torch.int64)

    def _median(self, work: Callable[[], object], repeats: int) -> float:
        times = []
        for _ in range(repeats):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return statistics.median(times)

    def _phase(self, batch: int, first: int, last: int, rows: slice) -> float:
        sampling = TEXT_SAMPLING if rows.start == 0 else IMAGE_SAMPLING
        at = []
        for position in (first, (first + last) // 2, last):
            loop = PublishedLoop(self.model, self._ids(batch, position))
            loop.step(rows, sampling)  # warms up
            at.append(self._median(lambda one=loop: one.step(rows, sampling), self.steps))  # type: ignore[misc]
        return (last - first) * (at[0] + 4 * at[1] + at[2]) / 6


def show(title: str, seconds: float, parts: dict[str, float], samples: int) -> None:
    """Print seconds a sample, and the shares of parts of 0.1 % and more."""
    print(f"{title}: {seconds / samples:.2f} s a sample", flush=True)
    for name, spent in parts.items():
        if spent >= 0.001 * seconds:
            print(f"    {name:<22}{spent / samples:8.3f} s {100 * spent / seconds:5.1f} %")


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each precision and number of samples between two measurements of the published work."""
    config = configuration(arguments.size, arguments.layout, arguments.layers)
    plain = random_model(config)
    vqgan = VQGAN(**SBER_VQGAN).eval()
    published = PublishedWork(plain, vqgan, arguments.published_batch, arguments.steps)
    theirs = [] if arguments.alone else [published.parts()]
    for dtype in arguments.dtype:
        model = as_in_a_run(copy.deepcopy(plain), DTYPES[dtype])
        vocabulary = Vocabulary(Words(config.bpe_vocab), config)
        tokenizer = prepared(copy.deepcopy(vqgan), DTYPES[dtype])
        networks = Networks(ROOT / "weights", CPU, DTYPES[dtype], model, tokenizer, vocabulary)
        for samples in arguments.samples:
            ours = our_run(networks, samples, arguments.batch)
            show(f"{dtype}, {samples} samples", ours.seconds, ours.parts, samples)
            row: dict[str, Any] = {"dtype": dtype, "samples": samples, "s a sample": round(ours.seconds / samples, 3)}
            row |= {"parts": {name: round(spent / samples, 4) for name, spent in ours.parts.items()}}
            row["peak GB above start"] = round(ours.peak / 1e9, 2)
            if not arguments.alone:
                theirs.append(published.parts())
                around = {name: (theirs[-2][name] + theirs[-1][name]) / 2 for name in theirs[-1]}
                whole = sum(around.values())
                show("published", whole, around, arguments.published_batch)
                row["published s a sample"] = round(whole / arguments.published_batch, 3)
                row["times faster"] = round(row["published s a sample"] / row["s a sample"], 2)
                print(f"{dtype}, {samples} samples: {row['times faster']} times faster", flush=True)
            yield row
        del model, tokenizer, networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="350M", choices=SIZES)
    parser.add_argument("--layout", default="own", choices=["own", *SIZES], help="sequence lengths and vocabularies of")
    parser.add_argument("--layers", type=int, help="fewer layers, for a quick look")
    parser.add_argument("--dtype", default=["fp32"], nargs="+", choices=DTYPES)
    parser.add_argument("--samples", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--batch", type=int, help="samples at once; left out, as the memory plan says")
    parser.add_argument("--published-batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3, help="of the published loop, at each place")
    parser.add_argument("--alone", action="store_true", help="leave the published work out")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = list(measure(arguments))
    if arguments.json:
        settings = {key: str(value) for key, value in vars(arguments).items() if key != "json"}
        result = {"settings": settings, "torch": torch.__version__, "rows": rows}
        arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
