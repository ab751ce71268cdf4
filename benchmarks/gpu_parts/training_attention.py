"""Attention of whole sequences in training, forwards and backwards: under whole masks, and by pieces."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu_parts.inference import TINY
from benchmarks.gpu_parts.parts import Setting
from models.rudolph import Config, named
from models.rudolph.attention_trial import problem_of
from models.rudolph.geometry import MaskKind
from models.rudolph.masks import sequence_mask
from models.rudolph.piecewise_attention import PiecewiseAttention

Way: TypeAlias = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def training_attention(setting: Setting) -> Iterator[dict[str, Any]]:
    """Each kind of a 350M's and a 2.7B's layers: milliseconds, error against the plain formula in float32, memory."""
    sizes = {"tiny": (TINY, 2)} if setting.tiny else {"350M": (named("350M"), 24), "2.7B": (named("2.7B-FBC2"), 4)}
    device = torch.device(setting.device)
    dtype = torch.bfloat16 if setting.on_gpu else torch.float32
    for size, (config, rows) in sizes.items():
        pieces = PiecewiseAttention(config)
        problem = problem_of(pieces, device, dtype, dropout=setting.on_gpu)
        yield {"size": size, "rows": rows, "trial of the pieces": problem or "passed"}
        for kind in sorted(set(config.layer_kinds)):
            for name, way in _ways(config, kind, pieces, device):
                yield {"size": size, "layer": kind, "attention": name, **_measured(setting, config, kind, rows, way)}


def _ways(
    config: Config, kind: MaskKind, pieces: PiecewiseAttention, device: torch.device
) -> Iterator[tuple[str, Way]]:
    mask = sequence_mask(kind, config).to(device)
    yield (
        "dense",
        lambda query, key, value, dropout: F.scaled_dot_product_attention(query, key, value, mask, dropout_p=dropout),
    )
    yield "pieces", lambda query, key, value, dropout: pieces(query, key, value, kind, dropout)


def _inputs(config: Config, rows: int, setting: Setting) -> tuple[Tensor, Tensor]:
    """Query, key and value of a layer as views of one tensor, and a slope; in bfloat16 on a GPU."""
    dtype = torch.bfloat16 if setting.on_gpu else torch.float32
    torch.manual_seed(0)
    n, heads, size = config.total_seq_length, config.num_attention_heads, config.head_dim
    fused = torch.randn(rows, n, 3, heads, size, device=setting.device, dtype=dtype, requires_grad=True)
    return fused, torch.randn(rows, heads, n, size, device=setting.device, dtype=dtype)


def _both(way: Way, fused: Tensor, slope: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    query, key, value = fused.permute(2, 0, 3, 1, 4)
    output = way(query, key, value, dropout)
    return output, torch.autograd.grad(output, fused, slope)[0]


def _measured(setting: Setting, config: Config, kind: MaskKind, rows: int, way: Way) -> dict[str, Any]:
    # The error of one sample alone: the plain formula in float32 holds all of its scores.
    few = replace(config, num_attention_heads=1, hidden_size=config.head_dim)
    fused, slope = _inputs(few, 1, setting)
    try:
        found = _both(way, fused, slope, 0.0)
    except RuntimeError as problem:  # no kernel takes this here, which is the finding
        return {"error": "-", "ms": "-", "GB": "-", "problem": str(problem).splitlines()[0][:80]}
    mask = sequence_mask(kind, config).to(setting.device)

    def plain(query: Tensor, key: Tensor, value: Tensor, _: float) -> Tensor:
        scores = (query @ key.transpose(2, 3) * config.head_dim**-0.5).masked_fill(~mask, -torch.inf)
        return scores.softmax(-1) @ value

    exact = _both(plain, fused.detach().float().requires_grad_(), slope.float(), 0.0)
    pairs = ((own.detach(), other.detach()) for own, other in zip(found, exact, strict=True))
    error = max(float((own.float() - other).norm() / other.norm()) for own, other in pairs)
    fused, slope = _inputs(config, rows, setting)
    dropout = 0.1 if setting.on_gpu else 0.0  # a processor's kernel has none
    _both(way, fused, slope, dropout)
    if setting.on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    held, times = torch.cuda.memory_allocated() if setting.on_gpu else 0, []
    for _ in range(3 if setting.tiny else 20):
        start = time.perf_counter()
        _both(way, fused, slope, dropout)
        if setting.on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    beyond = round((torch.cuda.max_memory_allocated() - held) / 1e9, 2) if setting.on_gpu else "-"
    return {"error": f"{error:.1e}", "ms": round(1e3 * statistics.median(times), 2), "GB": beyond, "problem": ""}
