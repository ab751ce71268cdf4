"""How a command is stopped: by Ctrl-C, or by a signal that asks it to end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
TIDYING_SECONDS = 10.0  # the terminal and torchrun both tell of one Ctrl-C: what comes in that time is the same one


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whoever catches it clears up and raises it again.

    Attributes:
        status: the exit status: 128 and the signal's number.

    """

    def __init__(self, number: int) -> None:
        super().__init__(SIGNALS[signal.Signals(number)])
        self.status = 128 + number


@contextmanager
def stop_signals() -> Iterator[None]:
    """Raise `Stopped` in the enclosed work where a signal asks for the end; clearing up is not disturbed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
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
