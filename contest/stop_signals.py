"""How a command is stopped: by Ctrl-C, or by a signal that asks it to end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "hung up",
    signal.SIGUSR1: "stopped by SIGUSR1",
}
ENDS_SOON = (signal.SIGTERM, signal.SIGUSR1)  # what a scheduler sends before it takes the machine away
TIDYING_SECONDS = 10.0  # the terminal and torchrun both tell of one Ctrl-C: what comes in that time is the same one


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whoever catches it clears up and raises it again.

    Attributes:
        status: the exit status: 128 and the signal's number.

    """

    def __init__(self, number: int) -> None:
        super().__init__(SIGNALS[signal.Signals(number)])
        self.status = 128 + number


@dataclass
class StopRequest:
    """What `stop_when_convenient` noted: the signal's number, 0 as long as none came."""

    number: int = 0


@contextmanager
def stop_when_convenient() -> Iterator[StopRequest]:
    """Let the enclosed work end in its own time after one of `ENDS_SOON`: it looks at what is yielded.

    Who asks again later is in earnest: `Stopped` is raised at once. Signals that were ignored stay so.
    """
    request, asked = StopRequest(), list[float]()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())
            request.number = number
        elif time.monotonic() - asked[0] >= TIDYING_SECONDS:
            raise Stopped(number)

    with _handled(ENDS_SOON, note):
        yield request


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

    with _handled(SIGNALS, stop):
        yield


@contextmanager
def _handled(numbers: Iterable[signal.Signals], do: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # `nohup`, and background jobs of a script
            signal.signal(number, do)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
