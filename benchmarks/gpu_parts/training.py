"""A training step of random networks: tokens a second, share of the products' measured peak, memory, energy; AdamW."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu_parts.energy import Joules
from benchmarks.gpu_parts.inference import TINY
from benchmarks.gpu_parts.parts import Setting
from models.rudolph import Config, Rudolph, named
from models.rudolph.attention_trial import problem_of
from models.rudolph.piecewise_attention import PiecewiseAttention
from training.tune.data.batches import Batch
from training.tune.distributed import Processes
from training.tune.settings import ComputeSettings, DataSettings, TaskSettings, TuneSettings
from training.tune.train_step import train_step
from training.tune.training_state import TrainState


def training(setting: Setting) -> Iterator[dict[str, Any]]:
    """The 350M and the 2.7B, in bfloat16 and in float16, with either form of attention."""
    peak = _peak(setting)
    yield {"products in bfloat16, TFLOP/s": round(peak / 1e12, 2)}
    tiny = replace(TINY, attention_dropout_prob=0.0)  # which pieces do not have on a CPU
    sizes = {"tiny": (tiny, 2)} if setting.tiny else {"350M": (named("350M"), 24), "2.7B": (named("2.7B-FBC2"), 4)}
    for size, (config, rows) in sizes.items():
        for dtype in ("bfloat16",) if setting.tiny else ("bfloat16", "float16"):
            state, batch = _begun(setting, config, rows, dtype)
            ways = [state.attention.way] if dtype != "bfloat16" else [state.attention.way, _other(state)]
            for way in ways:
                row = {"size": size, "dtype": dtype, "attention": way}
                if way != state.attention.way and (problem := _turned_to(way, state)):
                    yield {**row, "problem": problem}  # which is the finding, and no reason to measure no more
                    continue
                yield {**row, **_measured(setting, state, batch, peak)}
            if dtype == "bfloat16":
                for found in _optimizers(setting, state):
                    yield {"size": size, **found}
            del state  # before the next one is made


def _other(state: TrainState) -> str:
    """The form of attention that the training has not chosen."""
    return "dense" if state.attention.way == "pieces" else "pieces"


def _turned_to(way: str, state: TrainState) -> str:
    """Have the network attend in another form in bfloat16; what is wrong with that on this device, if anything."""
    config, device = state.model.config, state.processes.device
    pieces = PiecewiseAttention(config) if way == "pieces" else None
    dropout = config.attention_dropout_prob > 0
    problem = problem_of(pieces, device, torch.bfloat16, dropout=dropout) if pieces else ""
    state.model.transformer.piecewise = None if problem else pieces
    return problem


def _begun(setting: Setting, config: Config, rows: int, dtype: str) -> tuple[TrainState, Batch]:
    compute, device = ComputeSettings(dtype=dtype), torch.device(setting.device)
    settings = TuneSettings("", "", DataSettings(""), {"vqa": TaskSettings()}, steps=1000, compute=compute)
    torch.manual_seed(0)
    with torch.device(device):
        model = Rudolph(config).train()
    state = TrainState(model, settings, Processes(0, 1, device))
    ids = torch.randint(4, config.bpe_vocab, (rows, config.total_seq_length))
    middle = slice(config.l_text_seq_length, config.prefix_length)
    ids[:, middle] = torch.randint(config.image_vocab_size, (rows, config.image_seq_length))
    batch = Batch(ids, torch.tensor([[1.0, 1.0, 7.0]]).repeat(rows, 1), torch.zeros(rows, dtype=torch.int64), ("vqa",))
    return state, batch


def _measured(setting: Setting, state: TrainState, batch: Batch, peak: float) -> dict[str, Any]:
    device = torch.device(setting.device)
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times, count = [], 2 if setting.tiny else 5
    train_step(state, 0, batch)
    with Joules(device) as energy:
        for step in range(1, count + 1):
            start = time.perf_counter()
            train_step(state, step, batch)  # it returns the loss as a number, and so waits for the GPU
            times.append(time.perf_counter() - start)
    seconds, tokens = statistics.median(times), batch.ids.numel()
    flop = 6.0 * tokens * sum(parameter.numel() for parameter in state.model.transformer.parameters())
    held = torch.cuda.max_memory_allocated() / 1e9 if setting.on_gpu else None
    return {
        "rows": len(batch.ids),
        "seconds a step": round(seconds, 3),
        "tokens a second": round(tokens / seconds),
        "share of peak": round(flop / seconds / peak, 3),
        "peak GB": "-" if held is None else round(held, 1),
        "J a step": "unknown" if energy.used is None else round(energy.used / count),
    }


def _optimizers(setting: Setting, state: TrainState) -> Iterator[dict[str, Any]]:
    """AdamW's own step by its two forms, on the gradients of the last training step: time, and memory beyond its state.

    What was trained is of no more use afterwards.
    """
    groups = [
        {"params": group["params"], "weight_decay": group["weight_decay"]} for group in state.optimizer.param_groups
    ]
    state.optimizer.state.clear()  # the two forms keep states of their own, as large as the weights
    for form in ("fused", "foreach"):
        optimizer, times = torch.optim.AdamW(groups, 1e-5, **{form: True}), []
        optimizer.step()  # makes its state
        if setting.on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            held = torch.cuda.memory_allocated()
        for _ in range(2 if setting.tiny else 5):
            start = time.perf_counter()
            optimizer.step()
            if setting.on_gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        beyond = f"{(torch.cuda.max_memory_allocated() - held) / 1e9:.1f}" if setting.on_gpu else "-"
        yield {"AdamW": form, "ms": round(1e3 * statistics.median(times), 2), "GB beyond its state": beyond}


def _peak(setting: Setting) -> float:
    """Operations a second of one large product in bfloat16, the best of several."""
    side = 64 if setting.tiny else 8192
    one = torch.ones(side, side, device=setting.device, dtype=torch.bfloat16)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        one @ one
        if setting.on_gpu:
            torch.cuda.synchronize()
        best = max(best, 2.0 * side**3 / (time.perf_counter() - start))
    return best
