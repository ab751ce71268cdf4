"""When a run is to end before its work is done: a signal, or the clock."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from enum import Enum, unique
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

# Shares of the time limit. Pictures stop first, so that what is drawn can still be answered.
DRAWING_SHARE = 0.95
ANSWERING_SHARE = 0.98
COLLECTING_SHARE = 0.99  # for the first of several processes, which waits for the others


@unique
class RunStatus(Enum):
    """How a run (or one process of it) ended: how bad that is, what `run.json` says, and the exit status."""

    FINISHED = (0, "finished", 0)
    TIME_LIMIT = (1, "time limit", 3)
    STORAGE = (2, "disk full", 3)
    DEVICE_LOST = (3, "device lost", 3)
    PROCESS_LOST = (4, "process lost", 3)
    INPUT_CHANGED = (5, "input changed", 3)
    INTERRUPTED = (6, "interrupted", 130)
    TERMINATED = (7, "terminated", 143)
    FAILED = (8, "failed", 2)

    def __init__(self, severity: int, word: str, exit_status: int) -> None:
        self.severity = severity  # of several, the run's is the one with the highest
        self.word = word
        self.exit_status = exit_status  # a finished run's depends on its problems too


def worst(statuses: Iterable[RunStatus]) -> RunStatus:
    """Return how a run ended whose parts ended like this."""
    return max(statuses, key=lambda status: status.severity)


SIGNALS = {
    signal.SIGTERM: RunStatus.TERMINATED,
    signal.SIGINT: RunStatus.INTERRUPTED,
    signal.SIGHUP: RunStatus.TERMINATED,  # the terminal is gone
    signal.SIGUSR1: RunStatus.TERMINATED,  # a scheduler's word that it will take the machine away
}


class RunStopped(BaseException):
    """The work is to end now. No Exception: what catches a batch's failures must not take it for one."""

    def __init__(self, status: RunStatus) -> None:
        super().__init__(status.word)
        self.status = status


class Deadline:
    """Ends work by raising RunStopped in it, at a signal that asks for it, or when a share of the time limit is over.

    As a context manager (in the main thread, as signals demand) it takes over the signals; only what runs by `during`
    is ever interrupted, so that a file is never left half written. After the first signal all later ones are ignored:
    what is left to do takes a second.

    Args:
        seconds: the time limit.
        started: when it began, by `time.monotonic()`.

    """

    def __init__(self, seconds: float, started: float) -> None:
        self.seconds = seconds
        self.started = started
        self.status: RunStatus | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._at_work = False

    def __enter__(self) -> Deadline:
        for number in (*SIGNALS, signal.SIGALRM):
            # `nohup` wants SIGHUP ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def end(self, status: RunStatus) -> None:
        """Let no more work begin, whatever its share of the time."""
        self.status = self.status or status

    def check(self, share: float) -> float:
        """Seconds that are left of a share of the limit. Raises RunStopped if there are none, or if work is to end.

        Any thread may ask.
        """
        if self.status is not None:
            raise RunStopped(self.status)
        left = self.started + share * self.seconds - time.monotonic()
        if left <= 0:
            raise RunStopped(RunStatus.TIME_LIMIT)
        return left

    def during(self, share: float, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises RunStopped if it is asked to end, or if `share` of the limit is over.

        `work` must only compute: it may be interrupted anywhere, so nothing is written or recorded in it.
        """
        left = self.check(share)
        self._at_work = True
        try:
            signal.setitimer(signal.ITIMER_REAL, left)
            return work()
        finally:
            self._at_work = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        asked = SIGNALS.get(signal.Signals(number))
        if asked is not None:
            self.end(asked)
        if self._at_work:
            self._at_work = False  # once is enough: the way out must not be interrupted
            raise RunStopped(self.status or RunStatus.TIME_LIMIT)
