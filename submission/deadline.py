"""When a run is to end before its work is done: a signal, or the clock. Knows nothing of what the work is."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from enum import Enum, unique
from types import FrameType, TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

# Shares of the time limit. Drawing stops first, so that what is drawn can still be answered.
DRAWING_SHARE = 0.95
ANSWERING_SHARE = 0.98
COLLECTING_SHARE = 0.99  # for the first of several processes, which waits for the others


@unique
class Ending(Enum):
    """How a run (or one process of it) ended, from the best to the worst: what `run.json` says, and the exit status."""

    FINISHED = ("finished", 0)
    TIME_LIMIT = ("time limit", 3)
    STORAGE = ("disk full", 3)
    DEVICE_LOST = ("device lost", 3)
    PROCESS_LOST = ("process lost", 3)
    INTERRUPTED = ("interrupted", 130)
    TERMINATED = ("terminated", 143)
    FAILED = ("failed", 2)

    @property
    def word(self) -> str:
        """What `run.json` says."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The exit status; a finished run's depends on its problems too."""
        return self.value[1]


SIGNALS = {signal.SIGTERM: Ending.TERMINATED, signal.SIGINT: Ending.INTERRUPTED}


class Stopped(BaseException):
    """The work is to end now. No Exception: what catches a batch's failures must not take it for one."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.word)
        self.ending = ending


class Watch:
    """Ends work by raising Stopped in it, at SIGTERM, at SIGINT, or when a share of the time limit is over.

    As a context manager (in the main thread, as signals demand) it takes over the signals; only what runs by `during`
    is ever broken off, so that a file is never left half written. After the first signal all later ones are ignored:
    what is left to do takes a second.

    Args:
        seconds: the time limit.
        started: when it began, by `time.monotonic()`.

    """

    def __init__(self, seconds: float, started: float) -> None:
        self.seconds = seconds
        self.started = started
        self.ending: Ending | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._at_work = False

    def __enter__(self) -> Watch:
        for number in (*SIGNALS, signal.SIGALRM):
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def end(self, ending: Ending) -> None:
        """Let no more work begin, whatever its share of the time."""
        self.ending = self.ending or ending

    def check(self, share: float) -> float:
        """Seconds that are left of a share of the limit. Raises Stopped if there are none, or if work is to end.

        Any thread may ask.
        """
        if self.ending is not None:
            raise Stopped(self.ending)
        left = self.started + share * self.seconds - time.monotonic()
        if left <= 0:
            raise Stopped(Ending.TIME_LIMIT)
        return left

    def during(self, share: float, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises Stopped if it is told to end, or if `share` of the limit is over."""
        left = self.check(share)
        self._at_work = True
        try:
            signal.setitimer(signal.ITIMER_REAL, left)
            return work()
        finally:
            self._at_work = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        told = SIGNALS.get(signal.Signals(number))
        if told is not None:
            self.end(told)
        if self._at_work:
            self._at_work = False  # once is enough: the way out must not be broken off
            raise Stopped(self.ending or Ending.TIME_LIMIT)
