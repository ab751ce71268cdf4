"""How much memory a piece of work takes at its widest moment, measured while it runs: by the kernel, or by CUDA.

On a CPU that is resident memory, what kernels and allocators take for themselves included; on a GPU it is what torch
allocated there. Both count from what was there before the work began, so that weights are not in them.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch

OWN = Path("/proc/self")
RESET_PEAK = "5"  # what Linux resets at which number: proc(5), /proc/pid/clear_refs


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Do the work; the most bytes taken meanwhile, beyond those before. Raises OSError where Linux does not tell."""
    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    ctypes.CDLL(None).malloc_trim(0)  # blocks that the C library keeps would hide what takes them anew
    (OWN / "clear_refs").write_text(RESET_PEAK)
    before = status_bytes("VmRSS")
    work()
    return max(0, status_bytes("VmHWM") - before)


def status_bytes(name: str) -> int:
    """Return an entry of this process's memory as the kernel has it, such as VmRSS or its peak VmHWM (proc(5))."""
    line = next(line for line in (OWN / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
