"""Random networks of the published sizes: steps, prefills, whole phases, the VQGAN."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from benchmarks import inference as ways
from benchmarks.decode import Stopwatch
from benchmarks.gpu_parts.energy import Joules
from benchmarks.gpu_parts.parts import Setting
from benchmarks.inference import Bench
from models.rudolph import Config, Rudolph, named

TINY = Config(
    num_layers=5,
    hidden_size=32,
    num_attention_heads=2,
    vocab_size=272,
    l_text_seq_length=16,
    image_tokens_per_dim=4,
    r_text_seq_length=8,
    image_vocab_size=64,
    kernel_size=3,
    last_kernel_size=3,
)
TINY_VQGAN = {**ways.SBER_VQGAN, "ch": 32, "num_res_blocks": 1, "z_channels": 32, "embed_dim": 32, "n_embed": 64}
TASKS_SAMPLES = 12 * 1000  # a whole test of the contest


def bench_of(setting: Setting, dtype: torch.dtype | None = None) -> Bench:
    """What measures: in float16 on a GPU, in float32 on a CPU."""
    device = torch.device(setting.device)
    dtype = dtype or (torch.float16 if setting.on_gpu else torch.float32)
    return Bench(device, dtype, Stopwatch(time.perf_counter, 2 if setting.tiny else 9, device))


def network(setting: Setting, bench: Bench, layers: int | None = None) -> Rudolph:
    """The 2.7B with random weights, or a tiny one; perhaps of fewer layers."""
    torch.manual_seed(0)
    config = TINY if setting.tiny else named("2.7B-FBC2")
    config = config if layers is None else replace(config, num_layers=layers)
    with torch.device(bench.device):
        default = torch.get_default_dtype()
        torch.set_default_dtype(bench.dtype)  # never all of it in float32
        try:
            return Rudolph(config).eval()
        finally:
            torch.set_default_dtype(default)


def batches_of(setting: Setting) -> list[int]:
    return [1, 2] if setting.tiny else [1, 16, 64, 128, 256]


@torch.inference_mode()
def steps(setting: Setting) -> Iterator[dict[str, Any]]:
    """A step of both phases by batch, beside the measured bandwidth."""
    bench = bench_of(setting)
    yield {"bandwidth, GB/s": round(bench.bandwidth() / 1e9)}
    model = network(setting, bench)
    for batch in batches_of(setting):  # one at a time, so that a batch too large loses the larger ones alone
        yield from ways.measure_steps(bench, model, [batch])


@torch.inference_mode()
def prefill(setting: Setting) -> Iterator[dict[str, Any]]:
    """The prefills of both phases by batch."""
    bench = bench_of(setting)
    yield from ways.measure_prefill(bench, network(setting, bench), batches_of(setting))


@torch.inference_mode()
def end_to_end(setting: Setting) -> Iterator[dict[str, Any]]:
    """Answers and pictures in planned batches: peak beside plan, samples a second, energy, and what a test takes."""
    bench = bench_of(setting)
    model, answers, pictures = network(setting, bench), *((4, 2) if setting.tiny else (512, 256))
    if setting.tiny:
        ways.SBER_VQGAN.clear()
        ways.SBER_VQGAN.update(TINY_VQGAN)
    seconds = {}
    with Joules(bench.device) as energy:
        for row in ways.measure_phases(bench, model, [0], answers, pictures):
            yield row
            if "phase" in row:
                seconds[row["phase"]] = row["seconds"] / row["samples"]
    a_sample = sum(seconds.values())
    yield {
        "a sample of each phase, s": round(a_sample, 4),
        "J": "unknown" if energy.used is None else round(energy.used / (answers + pictures), 1),
        # As if eight tasks of twelve answered about pictures, and four drew.
        "12 x 1000, minutes": round(
            TASKS_SAMPLES * ((seconds["encode"] + seconds["answer"]) * 2 + seconds["draw"]) / 3 / 60, 2
        ),
    }


@torch.inference_mode()
def vqgan(setting: Setting) -> Iterator[dict[str, Any]]:
    """Encoding and decoding pictures by precision, and with convolutions in TF32."""
    if setting.tiny:
        ways.SBER_VQGAN.clear()
        ways.SBER_VQGAN.update(TINY_VQGAN)
    wanted = [(torch.float32, False)] if setting.tiny else [(torch.float32, False), (torch.float32, True)]
    wanted += [(torch.bfloat16, False)]
    if setting.on_gpu:
        wanted += [(torch.float16, False)]
    for dtype, tf32 in wanted:
        torch.backends.cudnn.allow_tf32 = tf32
        for row in ways.measure_vqgan(bench_of(setting, dtype), [1] if setting.tiny else [1, 16, 64]):
            yield {"dtype": str(dtype).removeprefix("torch."), "TF32": tf32, **row}


@torch.inference_mode()
def profile(setting: Setting) -> Iterator[dict[str, Any]]:
    """The operations that a step's time goes to."""
    bench = bench_of(setting)
    yield from ways.measure_profile(bench, network(setting, bench), [2 if setting.tiny else 128])
