"""The one kind of progress bar of training."""

from __future__ import annotations

import threading
from typing import Any

from tqdm import tqdm


def bar(**options: Any) -> tqdm[Any]:
    """Return a bar on the standard error, shown only where that is a terminal.

    Its lock is one between threads. The library's own is one between processes, too: a semaphore of the system, which
    a process that is stopped leaves behind, with a warning.
    """
    tqdm.set_lock(threading.RLock())
    return tqdm(disable=None, **options)
