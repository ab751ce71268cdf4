"""Shows on a terminal how far something long has come. Knows nothing of what it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is done, how many of it are done, and how many there are."""


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""


def on_terminal(what: str, done: int, total: int) -> None:
    """Show one line on standard error that is written over again, and nothing where that is no terminal."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done} of {total}", end="\n" if done >= total else "", file=sys.stderr, flush=True)
