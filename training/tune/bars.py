"""The one kind of progress bar of training."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import Any

from tqdm import tqdm

from contest.console import is_quiet, no_bar, printable


def bar(**options: Any) -> tqdm[Any]:
    """Return a bar on the standard error, shown only where that is a terminal.

    Its lock is one between threads. The library's own is one between processes, too: a semaphore of the system, which
    a process that is stopped leaves behind, with a warning.
    """
    tqdm.set_lock(threading.RLock())
    return tqdm(disable=no_bar(), **_size_of_terminal(), **options)


def write_row(text: str) -> None:
    """Print a line of how a training goes on the standard output, above the bar; nothing where one asked for quiet."""
    if not is_quiet():
        tqdm.write(printable(text))


def _size_of_terminal() -> dict[str, int]:
    """Size to draw for where the terminal does not tell its own (a serial line, a bare pty): the library draws nothing.

    It is what the environment says, or 80 x 24.
    """
    try:
        known = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):  # no terminal: no bar
        return {}
    if known.columns > 0 and known.lines > 0:
        return {}
    columns, lines = shutil.get_terminal_size()
    return {"ncols": columns - 1, "nrows": lines}
