"""Milliseconds a decoding step: this engine beside the published loop's work, in one run on one machine.

    python benchmarks/decode.py --size 350M --layout 2.7B --batch 1 8 --steps 9 --json decode.json

Weights and caches are random: a step's cost does not depend on their values. Times are medians of steps at mid-sequence
(the middle of the image, the middle of the right text), the first step thrown away; prefill is not in them.
On a CPU this engine's weights are packed, as `submission` packs them; the published loop's are torch's own.
`--published-dtype fp32` times the published loop in another precision than this engine.
On a machine that others use too, `--clock cpu --threads 1` counts processor time, which leaves waiting out.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from benchmarks.published_loop import PublishedLoop
from models.rudolph import SIZES, Config, Rudolph, named
from models.rudolph.caches import DenseCache
from models.rudolph.compact_cache import CompactCache
from models.rudolph.decoding import Cache, forward_cached, output_head
from models.rudolph.loading import bfloat16_products
from models.rudolph.packed import pack_linears, packable
from models.rudolph.sampling import Sampling, sample_token, uniforms

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LAYOUT = (
    "vocab_size l_text_seq_length image_tokens_per_dim r_text_seq_length image_vocab_size text_special_tokens "
    "image_special_tokens kernel_size last_kernel_size"
)
IMAGE_SAMPLING, TEXT_SAMPLING = Sampling(top_k=1024, top_p=0.975), Sampling(top_k=32, top_p=0.8)


@dataclass(frozen=True)
class Row:
    """One line of the table: milliseconds a step of the whole batch."""

    phase: str
    batch: int
    published_ms: float
    ours_ms: float
    ratio: float


def configuration(size: str, layout: str, layers: int | None) -> Config:
    config = named(size)
    if layout != "own":
        shape = named(layout)
        config = replace(config, **{name: getattr(shape, name) for name in LAYOUT.split()})
    return config if layers is None else replace(config, num_layers=layers)


def as_in_a_run(model: Rudolph, dtype: torch.dtype) -> Rudolph:
    """The model as a run computes with it in this precision: on a CPU with packed weights, and in bfloat16 with those
    alone."""
    if dtype == torch.bfloat16 and packable(model.text_embeddings.weight.to(dtype)):
        return bfloat16_products(model)
    pack_linears(model.to(dtype).transformer)
    return model


@dataclass(frozen=True)
class Stopwatch:
    """Takes the median time of some steps, by the clock on the wall or by the processor's."""

    clock: Callable[[], float]
    steps: int
    device: torch.device

    def median_ms(self, step: Callable[[int], object]) -> float:
        """Median milliseconds of `step(0) .. step(steps)` without the first."""
        times = []
        for i in range(self.steps + 1):
            start = self.clock()
            step(i)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(1000 * (self.clock() - start))
        return statistics.median(times[1:])


def filled(cache: CompactCache | DenseCache) -> Cache:
    """Fill a cache with noise, as if the positions before had been run."""
    for tensor in cache.tensors:
        tensor.normal_()
    return cache


def our_step(
    model: Rudolph, cache: Cache, first: int, batch: int, rows: slice, sampling: Sampling, steps: int
) -> Callable[[int], Tensor]:
    """The engine's step at positions `first ..`: draw a token, run it, score the needed rows."""
    like, head = model.text_embeddings.weight, output_head(model, rows)
    numbers = uniforms(0, [str(i) for i in range(batch)], "benchmark", steps + 1).to(like.device)
    logits = torch.randn(batch, rows.stop - rows.start, device=like.device, dtype=like.dtype)

    def step(i: int) -> Tensor:
        token = sample_token(logits, sampling, numbers[:, i])
        return forward_cached(model, cache, token[:, None], first + i, head)

    return step


@torch.inference_mode()
def compare(
    model: Rudolph,
    plain: Rudolph,
    phase: str,
    cache: CompactCache | DenseCache,
    batch: int,
    position: int,
    rows: slice,
    sampling: Sampling,
    stopwatch: Stopwatch,
) -> Row:
    """Time both loops from one position on: this engine's on `model`, the published one's on `plain`."""
    ours = stopwatch.median_ms(our_step(model, filled(cache), position, batch, rows, sampling, stopwatch.steps))
    loop = PublishedLoop(plain, torch.ones(batch, position + 1, dtype=torch.int64, device=stopwatch.device))
    published = stopwatch.median_ms(lambda _: loop.step(rows, sampling))
    return Row(phase, batch, round(published, 2), round(ours, 2), round(published / ours, 1))


def measure(model: Rudolph, plain: Rudolph, batch: int, stopwatch: Stopwatch) -> Iterator[Row]:
    """Compare both phases at mid-sequence."""
    config, transformer = model.config, model.transformer
    image_rows = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
    image = config.l_text_seq_length + config.image_seq_length // 2
    compact = CompactCache(transformer, batch)
    yield compare(model, plain, "image", compact, batch, image, image_rows, IMAGE_SAMPLING, stopwatch)
    text_rows, text = slice(0, config.bpe_vocab), config.prefix_length + config.r_text_seq_length // 2
    dense = DenseCache(transformer, batch, config.total_seq_length)
    yield compare(model, plain, "right text", dense, batch, text, text_rows, TEXT_SAMPLING, stopwatch)


def model_parser(description: str | None, *, steps: int) -> argparse.ArgumentParser:
    """A parser of what the benchmarks of a model share: which one, where, and how many steps are timed."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="350M", choices=SIZES)
    parser.add_argument("--layout", default="own", choices=["own", *SIZES], help="sequence lengths and vocabularies of")
    parser.add_argument("--layers", type=int, help="fewer layers, for a quick look")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def add_timing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    parser.add_argument("--json", type=Path, help="write the numbers here as well")


def write_rows(arguments: argparse.Namespace, rows: Sequence[Any]) -> None:
    """Write the rows, dataclasses or dicts, with the options they were measured with, where `--json` says."""
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key != "json"}
        result = {"settings": settings, "torch": torch.__version__, "rows": rows}
        arguments.json.write_text(json.dumps(result, indent=1, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def main() -> None:
    parser = model_parser(__doc__, steps=9)
    add_timing(parser)
    parser.add_argument("--dtype", default="fp32", choices=DTYPES)
    parser.add_argument("--published-dtype", choices=DTYPES, help="of the published loop; the same, if left out")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 2, 8])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = configuration(arguments.size, arguments.layout, arguments.layers)
    with torch.device(arguments.device):
        plain = Rudolph(config).to(DTYPES[arguments.published_dtype or arguments.dtype]).eval()
    model = as_in_a_run(copy.deepcopy(plain), DTYPES[arguments.dtype])
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[arguments.clock]
    stopwatch = Stopwatch(clock, arguments.steps, torch.device(arguments.device))
    print(f"{'phase':<12}{'batch':>6}{'published ms':>14}{'this ms':>10}{'ratio':>8}")
    table = []
    for batch in arguments.batch:
        for row in measure(model, plain, batch, stopwatch):
            table.append(row)
            print(f"{row.phase:<12}{row.batch:>6}{row.published_ms:>14}{row.ours_ms:>10}{row.ratio:>8}", flush=True)
    write_rows(arguments, table)


if __name__ == "__main__":
    main()
