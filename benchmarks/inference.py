"""What inference costs on this machine: steps, prefills, whole phases, the VQGAN; beside what must be done at least.

    python benchmarks/inference.py steps   --size 350M --layout 2.7B --batch 1 8 32 --dtype fp32
    python benchmarks/inference.py phases  --size 2.7B --device cuda --dtype fp16 --batch 0 --answers 512 --pictures 256
    python benchmarks/inference.py prefill --size 2.7B --device cuda --dtype fp16 --batch 1 16 64 128 256
    python benchmarks/inference.py vqgan   --device cuda --dtype fp16 --batch 1 16 64
    python benchmarks/inference.py profile --size 350M --layout 2.7B --batch 8 --dtype bf16

Weights are random: a step's cost does not depend on their values. `steps` are medians at mid-sequence without the first
one. `limit` is the time in which this machine reads and writes a step's bytes at the bandwidth measured beside it;
`products` that of the needed matrix products alone (projections, needed rows of the head, attention).
`phases` runs answers of full length (random weights do not end them) and pictures with their rendering.
`peak GB above start` is the most memory beyond what was there before (weights, and for `prefill` the cache): resident
memory on a CPU, what torch allocated on a GPU. For `phases`, batch 0 is what the memory plan gives.
`benchmarks/record.py` puts steps, prefills and memory of many batches into one table.
On a machine that others use too, `--clock cpu --threads 1`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from benchmarks.counting import Counting
from benchmarks.decode import (
    DTYPES,
    IMAGE_SAMPLING,
    TEXT_SAMPLING,
    Stopwatch,
    add_timing,
    as_in_a_run,
    configuration,
    filled,
    model_parser,
    our_step,
    write_rows,
)
from benchmarks.peak_memory import peak_bytes
from models.rudolph import Config, Rudolph
from models.rudolph.caches import DenseCache, one_query_attention
from models.rudolph.compact_cache import CompactCache
from models.rudolph.decoding import Head, answer, forward_cached, generate_image, output_head
from models.rudolph.free_memory import free_bytes
from models.rudolph.memory_plan import CPU, GPU, Need, answering, drawing, plan
from models.rudolph.sampling import uniforms
from models.vqgan import VQGAN
from models.vqgan.memory import picture_bytes

SBER_VQGAN: dict[str, Any] = {
    "ch": 128,
    "ch_mult": [1, 1, 2, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [32],
    "resolution": 256,
    "z_channels": 256,
    "embed_dim": 256,
    "n_embed": 8192,
}
TEMPLATE = [2, 3]  # two ids: BOS and a special token
KINDS = {"a picture and a question": ("encode", "answer"), "texts only": ("answer", "draw")}


@dataclass(frozen=True)
class Bench:
    """What is measured with: a device and precision, and a stopwatch."""

    device: torch.device
    dtype: torch.dtype
    stopwatch: Stopwatch

    def bandwidth(self) -> float:
        """Bytes a second that this device reads in one long sum, the best of several."""
        numbers = torch.ones(2**28 if self.device.type == "cuda" else 2**26, device=self.device)
        return max(numbers.nbytes / (self.stopwatch.median_ms(lambda _: numbers.sum()) / 1e3) for _ in range(3))

    def timed(self, work: Callable[[], object]) -> tuple[float, int]:
        """Seconds that `work` takes, and the most bytes it takes beyond those that were taken before."""
        seconds = 0.0

        def clocked() -> None:
            nonlocal seconds
            start = self.stopwatch.clock()
            work()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            seconds = self.stopwatch.clock() - start

        peak = peak_bytes(clocked, self.device)
        return seconds, peak


@dataclass(frozen=True)
class Situation:
    """One phase in the middle of its sequence: what a step needs."""

    phase: str
    cache: CompactCache | DenseCache
    position: int
    rows: slice


def situations(model: Rudolph, batch: int) -> Iterator[Situation]:
    """The middle of the image, and of the right text."""
    config = model.config
    codes = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
    middle = config.l_text_seq_length + config.image_seq_length // 2
    yield Situation("image", CompactCache(model.transformer, batch), middle, codes)
    dense = DenseCache(model.transformer, batch, config.total_seq_length)
    middle = config.prefix_length + config.r_text_seq_length // 2
    yield Situation("right text", dense, middle, slice(0, config.bpe_vocab))


def needed_products(model: Rudolph, situation: Situation, batch: int, head: Head) -> Callable[[int], object]:
    """The matrix products of one step: projections, attention (its softmax is in it), the needed rows of the head."""
    config, like, table = model.config, model.transformer.keys_like, model.text_embeddings.weight
    last = torch.randn(batch, config.hidden_size, device=table.device, dtype=table.dtype)
    x = torch.randn(batch, 1, config.hidden_size, device=like.device, dtype=like.dtype)
    wide = torch.randn(batch, 1, 4 * config.hidden_size, device=like.device, dtype=like.dtype)
    query = torch.randn(batch, config.num_attention_heads, 1, config.head_dim, device=like.device, dtype=like.dtype)

    def seen(layer: int) -> tuple[Tensor, Tensor]:
        cache = situation.cache
        if isinstance(cache, CompactCache):
            return cache.windows[layer].buffer[0], cache.windows[layer].buffer[1]
        keys, values = cache.tensors[layer]
        return keys, values

    def products(_: int) -> None:
        for i, layer in enumerate(model.transformer.layers):
            layer.attention.query_key_value(x)
            one_query_attention(query, *seen(i))
            layer.attention.dense(x)
            layer.mlp.dense_h_to_4h(x)
            layer.mlp.dense_4h_to_h(wide)
        head(last)

    return products


def measure_steps(bench: Bench, model: Rudolph, batches: list[int]) -> Iterator[dict[str, Any]]:
    """Both phases at each batch: milliseconds, bytes, share of the bandwidth, beside the needed products."""
    bandwidth, sampling = bench.bandwidth(), {"image": IMAGE_SAMPLING, "right text": TEXT_SAMPLING}
    for batch in batches:
        for case in situations(model, batch):
            rows, steps = case.rows, bench.stopwatch.steps
            step = our_step(model, filled(case.cache), case.position, batch, rows, sampling[case.phase], steps)
            with Counting() as counted:
                step(0)
            ms = bench.stopwatch.median_ms(step)
            products = bench.stopwatch.median_ms(needed_products(model, case, batch, output_head(model, rows)))
            limit = 1e3 * counted.bytes / bandwidth
            yield {
                "phase": case.phase,
                "batch": batch,
                "ms": round(ms, 2),
                "products ms": round(products, 2),
                "ms / products": round(ms / products, 2),
                "operations": sum(counted.operations.values()),
                "GB": round(counted.bytes / 1e9, 3),
                "limit ms": round(limit, 2),
                "share of bandwidth": round(limit / ms, 2),
                "tokens a second": round(1e3 * batch / ms, 1),
            }


def measure_prefill(bench: Bench, model: Rudolph, batches: list[int]) -> Iterator[dict[str, Any]]:
    """The prefills of both phases at each batch."""
    config = model.config
    head = output_head(model, slice(0, 16))
    for batch in batches:
        for phase, length in (("answer", config.prefix_length + len(TEMPLATE)), ("draw", config.l_text_seq_length)):
            dense = DenseCache(model.transformer, batch, length) if phase == "answer" else None
            cache = dense or CompactCache(model.transformer, batch)
            ids = torch.ones(batch, length, dtype=torch.int64, device=bench.device)
            forward_cached(model, cache, ids, 0, head)  # warms up
            seconds, peak = bench.timed(lambda c=cache, i=ids: forward_cached(model, c, i, 0, head))  # type: ignore[misc]
            yield {
                "phase": phase,
                "batch": batch,
                "tokens": length,
                "ms": round(1e3 * seconds, 1),
                "ms a sample": round(1e3 * seconds / batch, 2),
                "TFLOP/s": round(products_flop(config, length) * batch / seconds / 1e12, 2),
                "peak GB above start": round(peak / 1e9, 2),
            }


def products_flop(config: Config, tokens: int) -> float:
    """Floating-point operations of the projections of some tokens, attention left out."""
    return 24.0 * config.num_layers * config.hidden_size**2 * tokens


def measure_phases(
    bench: Bench, model: Rudolph, batches: list[int], answers: int, pictures: int
) -> Iterator[dict[str, Any]]:
    """Whole phases from pixels to codes to pixels, with the peak memory beside the plan's; then by kind of sample."""
    config, on_cpu = model.config, bench.device.type == "cpu"
    with torch.device(bench.device):
        vqgan = VQGAN(**SBER_VQGAN).eval()
    side = vqgan.factor * config.image_tokens_per_dim
    left = torch.ones(max(answers, pictures), config.l_text_seq_length, dtype=torch.int64)
    codes = torch.zeros(answers, config.image_seq_length, dtype=torch.int64)
    names = [str(i) for i in range(max(answers, pictures))]
    text = uniforms(0, names[:answers], "answer", config.r_text_seq_length - len(TEMPLATE))
    image = uniforms(0, names[:pictures], "image", config.image_seq_length)

    def encode_some(part: slice) -> None:
        vqgan.encode(torch.rand(len(names[:answers][part]), 3, side, side, device=bench.device))

    def answer_some(part: slice) -> None:
        given = left[:answers][part], codes[part], TEMPLATE, TEXT_SAMPLING, text[part]
        answer(model, *given, stop_at_eos=False)

    def draw_some(part: slice) -> None:
        drawn = generate_image(model, left[:pictures][part], IMAGE_SAMPLING, image[part])
        for some in drawn.split(16):
            vqgan.decode(some)

    work = {"encode": encode_some, "answer": answer_some, "draw": draw_some}
    needs = (
        Need("encode", answers, picture_bytes(vqgan, side)),
        answering(config, bench.dtype, answers, packed=on_cpu),
        drawing(config, bench.dtype, pictures, packed=on_cpu),
    )
    for wanted in batches:
        seconds = {}
        for need in needs:
            if need.samples:
                row = measure_phase(bench, need, work[need.phase], wanted)
                seconds[need.phase] = row["seconds"] / need.samples
                yield row
        for kind, phases in KINDS.items():
            if set(phases) <= set(seconds):
                yield {"kind": kind, "samples a second": round(1 / sum(seconds[phase] for phase in phases), 2)}


def measure_phase(bench: Bench, need: Need, work: Callable[[slice], None], wanted: int) -> dict[str, Any]:
    """One phase over all its samples, in batches as wanted or as planned."""
    limits = GPU if bench.device.type == "cuda" else CPU
    batch = wanted or plan(free_bytes(bench.device), [need], limits).batch(need.phase)
    parts = [slice(start, start + batch) for start in range(0, need.samples, batch)]
    seconds, peak = bench.timed(lambda: [work(part) for part in parts])
    return {
        "phase": need.phase,
        "samples": need.samples,
        "batch": batch,
        "seconds": round(seconds, 2),
        "samples a second": round(need.samples / seconds, 2),
        "peak GB above start": round(peak / 1e9, 2),
        "planned GB": round(need.bytes(batch) / 1e9, 2),
    }


def measure_vqgan(bench: Bench, batches: list[int]) -> Iterator[dict[str, Any]]:
    """Encoding and decoding pictures of 192 x 192 pixels, with the published network's dimensions."""
    with torch.device(bench.device):
        vqgan = VQGAN(**SBER_VQGAN).to(bench.dtype).eval()
    for batch in batches:
        pixels = torch.rand(batch, 3, 192, 192, device=bench.device, dtype=bench.dtype)
        codes = torch.zeros(batch, 24 * 24, dtype=torch.int64, device=bench.device)
        planned = batch * sum(picture_bytes(vqgan, 192).values())
        for name, work in (("encode", lambda p=pixels: vqgan.encode(p)), ("decode", lambda c=codes: vqgan.decode(c))):
            work()  # warms up
            seconds, peak = bench.timed(work)
            yield {
                "work": name,
                "batch": batch,
                "ms a picture": round(1e3 * seconds / batch, 2),
                "peak GB above start": round(peak / 1e9, 2),
                "planned GB": round(planned / 1e9, 2),
            }


def measure_profile(bench: Bench, model: Rudolph, batches: list[int]) -> Iterator[dict[str, Any]]:
    """Shares of a step's time by operation, with torch's profiler: those of 1 % and more."""
    sampling = {"image": IMAGE_SAMPLING, "right text": TEXT_SAMPLING}
    for batch in batches:
        for case in situations(model, batch):
            steps = bench.stopwatch.steps
            step = our_step(model, filled(case.cache), case.position, batch, case.rows, sampling[case.phase], steps)
            step(0)
            with torch.profiler.profile() as profile:
                for i in range(steps):
                    step(i)
                if bench.device.type == "cuda":
                    torch.cuda.synchronize(bench.device)
            on = "self_device_time_total" if bench.device.type == "cuda" else "self_cpu_time_total"
            spent = {event.key: getattr(event, on) for event in profile.key_averages()}
            total = sum(spent.values())
            for name, time_spent in sorted(spent.items(), key=lambda item: -item[1]):
                if time_spent >= 0.01 * total:
                    yield {
                        "phase": case.phase,
                        "batch": batch,
                        "operation": name[:60],
                        "share": round(time_spent / total, 3),
                        "ms a step": round(time_spent / 1e3 / steps, 2),
                    }


def show(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print rows as they come, under a new head where they have other columns; returns them."""
    table: list[dict[str, Any]] = []
    for row in rows:
        if not table or row.keys() != table[-1].keys():
            print(" | ".join(f"{name:>12}" for name in row))
        print(" | ".join(f"{row[name]!s:>{max(12, len(name))}}" for name in row), flush=True)
        table.append(row)
    return table


def main() -> None:
    parser = model_parser(__doc__, steps=9)
    add_timing(parser)
    parser.add_argument("what", choices=["steps", "prefill", "phases", "vqgan", "profile"])
    parser.add_argument("--dtype", default="fp32", choices=DTYPES)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[arguments.clock]
    device = torch.device(arguments.device)
    bench = Bench(device, DTYPES[arguments.dtype], Stopwatch(clock, arguments.steps, device))
    with torch.inference_mode():
        if arguments.what == "vqgan":
            rows = measure_vqgan(bench, arguments.batch)
        else:
            config = configuration(arguments.size, arguments.layout, arguments.layers)
            with torch.device(device):
                model = as_in_a_run(Rudolph(config).eval(), bench.dtype)
            rows = {
                "steps": lambda: measure_steps(bench, model, arguments.batch),
                "prefill": lambda: measure_prefill(bench, model, arguments.batch),
                "phases": lambda: measure_phases(bench, model, arguments.batch, arguments.answers, arguments.pictures),
                "profile": lambda: measure_profile(bench, model, arguments.batch),
            }[arguments.what]()
        table = show(rows)
    write_rows(arguments, table)


if __name__ == "__main__":
    main()
