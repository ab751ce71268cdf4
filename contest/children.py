"""Child processes that end with their parent, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the system send this process a signal when the thread that started it ends; call it first in a child.

    Args:
        parent: the process number of the parent, as the parent knows it: one that is gone already is noticed.
        number: the signal.

    On systems other than Linux nothing happens: there the children of a parent that was killed run on.

    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
