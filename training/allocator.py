"""How the C library keeps memory: a training step takes and gives back the same gigabytes, again and again.

glibc returns every large block to the kernel, which has to clear its pages anew: a tenth of a step's time on a CPU.
"""

from __future__ import annotations

import ctypes

# Parameters of glibc's mallopt, from its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for its next allocations; return whether the C library can do that.

    The memory of the process then stays at its peak. Without effect on what a GPU allocates.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc alone
    if mallopt is None:
        return False
    # No block is mapped by itself, and the heap never shrinks (-1).
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
