"""How a training command is stopped: by Ctrl-C, or by a signal that asks it to end. Knows nothing of what it does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from contest.children import end_with_parent

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TIDYING_SECONDS = 10.0  # the terminal and torchrun both tell of one Ctrl-C: what comes in that time is the same one


class Stopped(BaseException):
    """The process was asked to end; whoever catches it clears up and raises it again."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the enclosed work where a signal asks for the end; a moment of clearing up is not disturbed.

    Under torchrun the process also ends when torchrun itself was killed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent(os.getppid())
    asked: list[float] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked and time.monotonic() - asked[-1] < TIDYING_SECONDS:
            return
        asked.append(time.monotonic())
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # `nohup`, and background jobs of a script
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Start processes that a Ctrl-C at the terminal does not reach: this process is told, and ends them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
