"""A record of what inference costs on this machine, in Markdown: batches 1, 2, 4 ... as memory allows.

    python benchmarks/record.py --size 350M --threads 2 --output record.md

For each precision and batch: a step of each phase at mid-sequence, beside the time in which this machine reads and
writes the step's bytes at the bandwidth measured beside it; the prefills; samples a second; and the memory that a phase
takes at its widest, measured (`peak_memory.py`) and planned. The largest batch is what half of the free memory holds
(nine tenths of a GPU's), or what `--minutes` allow: no batch is begun that would not end in time.
Samples a second are put together from their parts: prefill, all steps at the mid-sequence step's time, and pictures
encoded or rendered by the VQGAN in float32; `inference.py phases` times whole phases.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from benchmarks.decode import DTYPES, IMAGE_SAMPLING, TEXT_SAMPLING, Stopwatch, as_in_a_run, configuration, model_parser
from benchmarks.inference import SBER_VQGAN, TEMPLATE, Bench, measure_steps
from benchmarks.peak_memory import peak_bytes
from models.rudolph import Config, Rudolph
from models.rudolph.caches import DenseCache
from models.rudolph.compact_cache import CompactCache
from models.rudolph.decoding import forward_cached, output_head
from models.rudolph.free_memory import free_bytes
from models.rudolph.memory_plan import CPU, GPU, BatchLimits, Need, answering, drawing, plan
from models.rudolph.sampling import Sampling, sample_token
from models.vqgan import VQGAN

PICTURES_AT_ONCE = 8  # more do not change what the VQGAN takes for one
UNBOUNDED = 2**20


@dataclass(frozen=True)
class Phase:
    """What one phase does with a batch, and what the memory plan says of it."""

    name: str
    need: Need
    prefill: int  # tokens
    steps: int
    rows: slice
    sampling: Sampling


def phases(config: Config, dtype: torch.dtype, on_cpu: bool) -> list[Phase]:
    """Both phases: drawing, then answering."""
    codes = slice(config.text_vocab, config.text_vocab + config.image_vocab_size)
    answer_prefill = config.prefix_length + len(TEMPLATE)
    return [
        Phase(
            "image",
            drawing(config, dtype, UNBOUNDED, packed=on_cpu),
            config.l_text_seq_length,
            config.image_seq_length,
            codes,
            IMAGE_SAMPLING,
        ),
        Phase(
            "right text",
            answering(config, dtype, UNBOUNDED, packed=on_cpu),
            answer_prefill,
            config.total_seq_length - answer_prefill,
            slice(0, config.bpe_vocab),
            TEXT_SAMPLING,
        ),
    ]


def batches(largest: int) -> Iterator[int]:
    """Yield 1, 2, 4 and so on, and `largest` itself."""
    batch = 1
    while batch < largest:
        yield batch
        batch *= 2
    yield largest


def largest_batch(device: torch.device, of: Sequence[Phase]) -> int:
    """The most samples that the memory which is free now holds in either phase."""
    limits = BatchLimits((GPU if device.type == "cuda" else CPU).share, UNBOUNDED)
    return min(planned.batch for planned in plan(free_bytes(device), [phase.need for phase in of], limits).phases)


def begin(model: Rudolph, phase: Phase, batch: int) -> None:
    """A phase up to its first token, in caches that are filled whole: as much memory as it ever takes."""
    transformer, device = model.transformer, model.text_embeddings.weight.device
    cache: DenseCache | CompactCache = (
        CompactCache(transformer, batch)
        if phase.name == "image"
        else DenseCache(transformer, batch, model.config.total_seq_length)
    )
    for tensor in cache.tensors:
        tensor.zero_()
    ids = torch.ones(batch, phase.prefill, dtype=torch.int64, device=device)
    logits = forward_cached(model, cache, ids, 0, output_head(model, phase.rows))
    sample_token(logits, phase.sampling, torch.rand(batch, device=device))


def measure(bench: Bench, model: Rudolph, batch: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the table of steps, and for each phase its seconds a batch, its prefill and its memory."""
    rows, found = list(measure_steps(bench, model, [batch])), {}
    for row, phase in zip(rows, phases(model.config, bench.dtype, bench.device.type == "cpu"), strict=True):
        assert row["phase"] == phase.name
        peak = peak_bytes(lambda phase=phase: begin(model, phase, batch), bench.device)  # type: ignore[misc]
        seconds, _ = bench.timed(lambda phase=phase: begin(model, phase, batch))  # type: ignore[misc]
        found[phase.name] = {
            "prefill": seconds,
            "seconds": seconds + phase.steps * row["ms"] / 1e3,
            "peak": peak,
            "planned": phase.need.bytes(batch),
        }
    return rows, found


def picture_seconds(bench: Bench, config: Config) -> tuple[float, float]:
    """Seconds that the published VQGAN takes to encode a picture, and to render one, in float32."""
    with torch.device(bench.device):
        vqgan = VQGAN(**SBER_VQGAN).eval()
        side = vqgan.factor * config.image_tokens_per_dim
        pixels = torch.rand(PICTURES_AT_ONCE, 3, side, side)
        codes = torch.zeros(PICTURES_AT_ONCE, config.image_seq_length, dtype=torch.int64)
    found = []
    for work in (lambda: vqgan.encode(pixels), lambda: vqgan.decode(codes)):
        work()  # warms up
        found.append(bench.timed(work)[0] / PICTURES_AT_ONCE)
    return found[0], found[1]


def sample_row(precision: str, batch: int, found: dict[str, Any], encode: float, render: float) -> dict[str, Any]:
    """One line of the table of samples."""
    answer, image = found["right text"], found["image"]
    answer_seconds, image_seconds = answer["seconds"] / batch, image["seconds"] / batch + render  # of one sample
    return {
        "precision": precision,
        "batch": batch,
        "prefill ms, answer": round(1e3 * answer["prefill"]),
        "prefill ms, drawing": round(1e3 * image["prefill"]),
        "answers/s": round(1 / answer_seconds, 3),
        "pictures/s": round(1 / image_seconds, 3),
        "pictures with a question/s": round(1 / (encode + answer_seconds), 3),
        "texts alone/s": round(1 / (answer_seconds + image_seconds), 3),
        "peak GB, answer": round(answer["peak"] / 1e9, 2),
        "planned": round(answer["planned"] / 1e9, 2),
        "peak GB, drawing": round(image["peak"] / 1e9, 2),
        "planned ": round(image["planned"] / 1e9, 2),
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal columns as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(map(str, row.values())) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def record(
    config: Config, precisions: Sequence[str], device: torch.device, stopwatch: Stopwatch, largest: int, minutes: float
) -> Iterator[str]:
    """Yield the parts of the record as they are measured; each precision gets its part of the minutes."""
    steps: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    notes = []
    for number, precision in enumerate(precisions):
        began, allowed = time.monotonic(), 60 * minutes / len(precisions)
        bench = Bench(device, DTYPES[precision], stopwatch)
        with torch.device(device):
            model = as_in_a_run(Rudolph(config).eval(), bench.dtype)
        if number == 0:
            encode, render = picture_seconds(Bench(device, torch.float32, stopwatch), config)
            bandwidth = bench.bandwidth()
            yield (
                f"VQGAN in fp32: {1e3 * encode:.0f} ms to encode a picture, {1e3 * render:.0f} ms to render one. "
                f"Bandwidth: {bandwidth / 1e9:.1f} GB/s.\n"
            )
        held = largest_batch(device, phases(config, bench.dtype, device.type == "cpu"))
        last, batch_began = 0, time.monotonic()
        for batch in batches(min(held, largest)):
            now = time.monotonic()
            if last and now - began + 2 * (now - batch_began) > allowed:  # twice the samples, twice the time
                break
            last, batch_began = batch, now
            of_steps, found = measure(bench, model, batch)
            steps += [{"precision": precision, **row} for row in of_steps]
            samples.append(sample_row(precision, batch, found, encode, render))
            print(f"{precision}, batch {batch}: {time.monotonic() - now:.0f} s", file=sys.stderr, flush=True)
        notes.append(f"{precision}: free memory holds batches of {held}; measured up to {last}.\n")
        del model
    kind = "resident memory" if device.type == "cpu" else "what torch allocated"
    yield "".join(notes)
    yield markdown(steps)
    yield (
        f"Samples a second from prefill, steps and VQGAN. Peak: {kind} at a phase's widest moment, beyond the weights, "
        "measured; beside it what the memory plan counts.\n"
    )
    yield markdown(samples)


def main() -> None:
    parser = model_parser(__doc__, steps=5)
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=DTYPES)
    parser.add_argument("--largest", type=int, default=UNBOUNDED, help="batch")
    parser.add_argument("--minutes", type=float, default=14.0, help="about how long it may take")
    parser.add_argument("--output", type=Path, help="write it here as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    config = configuration(arguments.size, arguments.layout, arguments.layers)
    stopwatch = Stopwatch(time.perf_counter, arguments.steps, device)
    command = " ".join(["python benchmarks/record.py", *sys.argv[1:]])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    parts = [f"    {command}\n\n{name}, {arguments.threads} threads, torch {torch.__version__}.\n"]
    with torch.inference_mode():
        limits = arguments.largest, arguments.minutes
        parts += record(config, arguments.dtype, device, stopwatch, *limits)
    print("\n".join(parts))
    if arguments.output:
        arguments.output.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
