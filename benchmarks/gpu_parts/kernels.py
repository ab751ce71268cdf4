"""What is installed, and one new token's attention by each of torch's kernels."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu_parts.parts import Setting

BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)


def versions(setting: Setting) -> Iterator[dict[str, Any]]:
    """Versions, and the switches that change numbers."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
    }
    if setting.on_gpu:
        properties = torch.cuda.get_device_properties(0)
        free, total = torch.cuda.mem_get_info(0)
        facts |= {"GPU": properties.name, "processors": properties.multi_processor_count}
        facts |= {"free GB": round(free / 1e9, 1), "GB": round(total / 1e9, 1)}
        facts |= {"cuDNN": torch.backends.cudnn.version(), "capability": f"{properties.major}.{properties.minor}"}
    facts |= {
        "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
        "TF32 in products": torch.backends.cuda.matmul.allow_tf32,
        "cuDNN attention": torch.backends.cuda.cudnn_sdp_enabled(),
    }
    for name, value in facts.items():
        yield {"what": name, "value": str(value)}


def attention(setting: Setting) -> Iterator[dict[str, Any]]:
    """One query against the keys of an answer, as whole and as unaligned lengths: error, time, first call."""
    heads, size, lengths, batches = (2, 8, (16, 17), (1, 2)) if setting.tiny else (32, 80, (1024, 1025), (1, 128))
    dtype = torch.float16 if setting.on_gpu else torch.float32
    for batch in batches:
        for length in lengths:
            shape = (batch, heads, length, size)
            query = torch.randn(batch, heads, 1, size, device=setting.device, dtype=dtype)
            key, value = (torch.randn(shape, device=setting.device, dtype=dtype) for _ in range(2))
            exact = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
            for name, way in _ways(query, key, value):
                yield {"batch": batch, "keys": length, "kernel": name, **_timed(way, exact, setting)}


def _ways(query: Tensor, key: Tensor, value: Tensor) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    for backend in BACKENDS:

        def fused(backend: SDPBackend = backend) -> Tensor:
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(query, key, value)

        yield backend.name, fused
    scale = query.shape[-1] ** -0.5
    yield "two products", lambda: ((query * scale) @ key.transpose(-1, -2)).softmax(-1) @ value


def _timed(way: Callable[[], Tensor], exact: Tensor, setting: Setting) -> dict[str, Any]:
    try:
        start = time.perf_counter()
        error = float((way().double() - exact).abs().max())
        first = time.perf_counter() - start
    except RuntimeError as problem:  # this kernel does not take these shapes here, which is the finding
        return {"error": "-", "first ms": "-", "microseconds": "-", "problem": str(problem).splitlines()[0][:80]}
    times = []
    for _ in range(3 if setting.tiny else 30):
        start = time.perf_counter()
        way()
        if setting.on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    microseconds = round(1e6 * statistics.median(times), 1)
    return {"error": f"{error:.1e}", "first ms": round(1e3 * first, 1), "microseconds": microseconds, "problem": ""}
