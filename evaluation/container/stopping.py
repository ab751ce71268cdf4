"""Signals that end the runner, as an exception that leaves time to clean up. Knows nothing of what is cleaned up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(BaseException):
    """The runner was told to end. Not an Exception, so that nothing takes it for a failure of its own."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise Stopped at the first signal of SIGNALS; later ones wait for the end of what the first one began.

    SIGHUP stays ignored where it is (under `nohup`). SIGINT does not: shells make what they start in the background
    deaf to it, and whoever sends it by number means it.
    """
    came: list[signal.Signals] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(signal.Signals(number))
        if len(came) == 1:
            raise Stopped(came[0])

    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if number is not signal.SIGHUP or earlier[number] is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, earlier[number])
