"""Entry point of data_prep: how a command ends. Knows no command; what commands need is imported when one is run."""

from __future__ import annotations

if __name__ == "__main__":  # what follows takes seconds to import
    from contest.console import end_on_interrupt

    end_on_interrupt()

import signal
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from contest.console import say, start_program
from errors import UserError

NOTHING_DONE, INTERRUPTED, TERMINATED = 2, 130, 143


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came: the command ends as after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit status: 0, 1 for data with faults, or 2 (and a line why) if nothing is done.

    130 and 143 if it was stopped by SIGINT or SIGTERM.
    """
    stopped = "stopped"
    try:
        with _sigterm_raises():
            from data_prep.commands import parser

            parsed = parser().parse_args(arguments)
            stopped = parsed.stopped
            status: int | None = parsed.command(parsed)
            return status or 0
    except (UserError, OSError, ValueError, OverflowError, sqlite3.Error) as error:
        say(f"data_prep: {_reason(error)}")
        return NOTHING_DONE
    except KeyboardInterrupt as error:
        say(f"data_prep: {stopped}")
        return TERMINATED if isinstance(error, TerminatedError) else INTERRUPTED


def _reason(error: BaseException) -> str:
    """The error in a person's words: the system's own without its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename!s}: {error.strerror}"
    return str(error)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Have SIGTERM end the enclosed work as Ctrl-C does, so that what is open is closed and children are ended."""

    def end(number: int, frame: FrameType | None) -> None:
        raise TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    start_program(main)
