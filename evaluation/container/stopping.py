"""Signals that end the runner, as an exception that leaves time to clean up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from contest.stop_signals import SIGNALS, Stopped


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise Stopped at the first signal of SIGNALS; later ones wait for the end of what the first one began.

    An engine may take minutes to remove a container, which no second Ctrl-C shall leave behind. SIGHUP stays ignored
    where it is (under `nohup`). SIGINT does not: shells make what they start in the background deaf to it, and whoever
    sends it by number means it.
    """
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise Stopped(number)

    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if number is not signal.SIGHUP or earlier[number] is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, earlier[number])
