"""A step that draws a token of each row: launched kernel by kernel, as a CUDA graph, and compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.counting import Counting
from benchmarks.decode import IMAGE_SAMPLING, TEXT_SAMPLING
from benchmarks.gpu_parts.inference import batches_of, bench_of, network
from benchmarks.gpu_parts.parity import TEMPLATE, WEIGHTS, Questions
from benchmarks.gpu_parts.parts import Setting
from benchmarks.inference import Bench
from models.rudolph import Rudolph, decoding, load_rudolph
from models.rudolph.caches import DenseCache
from models.rudolph.compact_cache import CompactCache
from models.rudolph.decoding import output_head
from models.rudolph.lock_step import LockStep
from models.rudolph.many_codes import draw_one_pass, first_codes
from models.rudolph.many_codes_cache import ManyCodesCache
from models.rudolph.step_graphs import WARM_UP_CALLS, CudaRecorder, StepGraphs
from models.rudolph.vocabulary import EOS

COMPILED_LAYERS = 4  # a compiler takes a minute and more for 32


@torch.inference_mode()
def graph(setting: Setting) -> Iterator[dict[str, Any]]:
    """Whole answers and pictures of the bundled network by graphs, which must be the same; then what a step of the 2.7B
    takes as a graph, beside the same kernels launched one by one."""
    if (WEIGHTS / "rudolph").is_dir():
        yield from _same_by_graphs(setting)
    else:
        yield {"answers and pictures are left out": f"there are no weights in {WEIGHTS}"}
    bench = bench_of(setting)
    model = network(setting, bench)
    for batch in batches_of(setting)[:4]:
        for phase, step_of in (("drawing", _drawing_step), ("answering", _answering_step)):
            step, place = step_of(bench, model, batch)
            with Counting() as counted:
                step()
            row = {"phase": phase, "batch": batch, "GB": round(counted.bytes / 1e9, 3)}
            place.zero_()
            eager = bench.stopwatch.median_ms(lambda _, step=step: step())
            row |= {"eager ms": round(eager, 2), "eager GB/s": round(counted.bytes / eager / 1e6)}
            if not setting.on_gpu:
                yield {**row, "graph ms": "needs a GPU", "graph GB/s": "-", "ratio": "-", "went on": "-"}
                continue
            replay = captured(bench.device, step)
            place.zero_()
            replayed = bench.stopwatch.median_ms(lambda _, replay=replay: replay())
            row |= {"graph ms": round(replayed, 2), "graph GB/s": round(counted.bytes / replayed / 1e6)}
            went_on = place.item() == bench.stopwatch.steps + 1
            yield {**row, "ratio": round(eager / replayed, 2), "went on": "yes" if went_on else "NO"}


# What is drawn whole, by graphs and without, as a list of samples.
WHOLE: dict[str, Callable[[Questions], list[Any]]] = {
    "answers": lambda asked: asked.answers(asked.rows),
    "answers kept to words": lambda asked: asked.kept_to_words(),
    "pictures": lambda asked: asked.drawn(asked.rows).tolist(),
    "pictures, 4 codes a pass": lambda asked: asked.drawn(asked.rows, 4).tolist(),
    "guided pictures": lambda asked: asked.guided().tolist(),
}


def _same_by_graphs(setting: Setting) -> Iterator[dict[str, Any]]:
    rows, graphs = 4 if setting.tiny else 16, StepGraphs.automatic(torch.device(setting.device))
    for dtype in (torch.float32, torch.float16) if setting.on_gpu else (torch.float32,):
        model = load_rudolph(WEIGHTS / "rudolph", torch.device(setting.device), dtype)
        eager, by_graphs = Questions(model, rows, None, False), Questions(model, rows, graphs, False)
        for what, whole in WHOLE.items():
            captures, replays = graphs.captured, graphs.replayed
            yield {
                "dtype": str(dtype).removeprefix("torch."),
                "what": what,
                "differ": sum(one != other for one, other in zip(whole(eager), whole(by_graphs), strict=True)),
                "of": rows,
                "graphs": graphs.captured - captures,
                "steps by graphs": graphs.replayed - replays,
                "problem": graphs.problem,
            }


def _drawing_step(bench: Bench, model: Rudolph, batch: int) -> tuple[Callable[[], None], Tensor]:
    """What draws the next code of each picture as production does, and the place at which that is, `[1]`."""
    config = model.config
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    numbers = torch.rand(batch, config.image_seq_length, device=bench.device)
    rows = LockStep.before(IMAGE_SAMPLING, numbers, 0)
    cache = CompactCache(model.transformer, batch)
    return partial(decoding.draw_one_code, model, cache, head, rows), rows.place


def _answering_step(bench: Bench, model: Rudolph, batch: int) -> tuple[Callable[[], None], Tensor]:
    """What draws the next id of each answer, and the place at which that is, `[1]`."""
    config = model.config
    numbers = torch.rand(batch, config.r_text_seq_length - len(TEMPLATE), device=bench.device)
    ids = torch.arange(config.bpe_vocab, device=bench.device)
    rows = LockStep.before(TEXT_SAMPLING, numbers, EOS, ids=ids)
    cache, head = DenseCache(model.transformer, batch, config.total_seq_length), output_head(model, slice(len(ids)))
    return partial(decoding.draw_one_id, model, cache, head, rows, len(TEMPLATE)), rows.place


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
    replay = captured(bench.device, work)
    return round(bench.stopwatch.median_ms(lambda _: replay()), 2)


def captured(device: torch.device, work: Callable[[], object]) -> Callable[[], None]:
    """What replays `work`, captured once as a CUDA graph, as production does."""
    recorder = CudaRecorder(device)
    for _ in range(WARM_UP_CALLS):
        recorder.warm_up(work)
    return recorder.capture(work)


def _passes_of_one_code(bench: Bench, model: Rudolph, batch: int) -> tuple[Callable[[], None], Tensor]:
    """What draws the next code of each picture, wherever it stands, and how many codes each has `[batch]`."""
    config, like = model.config, model.text_embeddings.weight
    head = output_head(model, slice(config.text_vocab, config.text_vocab + config.image_vocab_size))
    cache = ManyCodesCache(model.transformer, batch, 1, 1)
    logits = torch.randn(batch, config.image_vocab_size, device=like.device, dtype=like.dtype)
    numbers = torch.rand(batch, config.image_seq_length, device=bench.device)
    rows = first_codes(logits, IMAGE_SAMPLING, numbers, None, config.image_tokens_per_dim, 1)
    return lambda: draw_one_pass(model, cache, head, IMAGE_SAMPLING, rows, 1), rows.known
