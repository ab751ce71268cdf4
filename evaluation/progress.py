"""Shows on a terminal how far something long has come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeAlias

from contest.console import is_quiet, one_line

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is done, how many of it are done, and how many there are."""


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""


def on_terminal(what: str, done: int, total: int) -> None:
    """Show one line on standard error that is written over again; nothing where that is no terminal, or not wanted."""
    if sys.stderr.isatty() and not is_quiet():
        sys.stderr.write(f"\r{one_line(what)}: {done} of {total}{chr(10) if done >= total else ''}")
        sys.stderr.flush()
