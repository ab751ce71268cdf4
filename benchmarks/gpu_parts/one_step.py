"""A pass that draws a code of each picture: launched kernel by kernel, as a CUDA graph, and compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.decode import IMAGE_SAMPLING
from benchmarks.gpu_parts.inference import batches_of, bench_of, network
from benchmarks.gpu_parts.parts import Setting
from benchmarks.inference import Bench
from models.rudolph import Rudolph
from models.rudolph.decoding import output_head
from models.rudolph.many_codes import draw_one_pass, first_codes
from models.rudolph.many_codes_cache import ManyCodesCache

COMPILED_LAYERS = 4  # a compiler takes a minute and more for 32


@torch.inference_mode()
def graph(setting: Setting) -> Iterator[dict[str, Any]]:
    """Drawing a code of each picture as a CUDA graph, which goes on with each replay, beside the same kernels launched
    one by one."""
    bench = bench_of(setting)
    model = network(setting, bench)
    for batch in batches_of(setting)[:4]:
        draw, known = _passes_of_one_code(bench, model, batch)
        eager = bench.stopwatch.median_ms(lambda _, once=draw: once())
        row = {"batch": batch, "eager ms": round(eager, 2)}
        if not setting.on_gpu:
            yield {**row, "graph ms": "needs a GPU", "ratio": "-", "went on": "-"}
            continue
        replay = captured(draw)
        before = known.sum().item()
        replayed = bench.stopwatch.median_ms(lambda _, replay=replay: replay())
        went_on = known.sum().item() > before
        yield {
            **row,
            "graph ms": round(replayed, 2),
            "ratio": round(eager / replayed, 2),
            "went on": "yes" if went_on else "NO",
        }


@torch.inference_mode()
def compiled(setting: Setting) -> Iterator[dict[str, Any]]:
    """The same pass of a few layers by `torch.compile`, with and without a CUDA graph of what it made.

    On a CPU its compiler is left out: what the pass does is only traced.
    """
    bench = bench_of(setting)
    model = network(setting, bench, layers=COMPILED_LAYERS)
    for batch in batches_of(setting)[:2]:
        draw, known = _passes_of_one_code(bench, model, batch)
        row: dict[str, Any] = {"layers": COMPILED_LAYERS, "batch": batch}
        row["eager ms"] = round(bench.stopwatch.median_ms(lambda _, once=draw: once()), 2)
        row["graph ms"] = _replayed(setting, bench, draw)
        torch.compiler.reset()
        began = time.monotonic()
        fast = torch.compile(draw, dynamic=False, backend="inductor" if setting.on_gpu else "eager")
        before = known.sum().item()
        try:
            fast()
        except Exception as problem:  # no compiler, or none for this GPU, which is the finding
            said = (str(problem).splitlines() or [""])[0][:120]
            yield {**row, "compiled": "-", "compiled ms": "-", "compiled, graph ms": "-", "problem": said}
            continue
        row["compiled"] = f"in {time.monotonic() - began:.1f} s"
        row["compiled ms"] = round(bench.stopwatch.median_ms(lambda _, once=fast: once()), 2)
        row["compiled, graph ms"] = _replayed(setting, bench, fast)
        yield {**row, "problem": "" if known.sum().item() > before else "it does not go on"}


def _replayed(setting: Setting, bench: Bench, work: Callable[[], object]) -> float | str:
    if not setting.on_gpu:
        return "needs a GPU"
    replay = captured(work)
    return round(bench.stopwatch.median_ms(lambda _: replay()), 2)


def captured(work: Callable[[], object]) -> Callable[[], None]:
    """What replays `work`, captured once as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is made once must be made before the capture
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side):
        work()
    replay: Callable[[], None] = graph.replay
    return replay


def _passes_of_one_code(bench: Bench, model: Rudolph, batch: int) -> tuple[Callable[[], None], Tensor]:
    """What draws the next code of each picture, wherever it stands, and how many codes each has `[batch]`."""
    config, like = model.config, model.text_embeddings.weight
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    cache = ManyCodesCache(model.transformer, batch, 1, 1)
    logits = torch.randn(batch, config.image_vocab_size, device=like.device, dtype=like.dtype)
    numbers = torch.rand(batch, config.image_seq_length, device=bench.device)
    rows = first_codes(logits, IMAGE_SAMPLING, numbers, None, config.image_tokens_per_dim, 1)
    return lambda: draw_one_pass(model, cache, head, IMAGE_SAMPLING, rows, 1), rows.known
