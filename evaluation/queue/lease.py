"""Leases that compare no clocks of two hosts: who holds one counts up in a file, and observers watch the count.

An observer takes a claim for dead when its count has stood still for the time of a lease by the observer's own
monotonic clock. A host that was only slow notices that its claim is gone, and stops.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contest.console import say
from contest.errors import ContestError
from errors import reason_of
from evaluation.queue.spool import RUNNING, JobPlace, Spool

BEATS_A_LEASE = 10
_DIGITS = 12


@dataclass
class LeaseWatch:
    """What one observer has seen of all claims of a spool."""

    spool: Spool
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _seen: dict[JobPlace, tuple[bytes, float]] = field(default_factory=dict)
    _told: set[JobPlace] = field(default_factory=set)

    def look(self) -> list[JobPlace]:
        """Look once; return the claims that have stood still for a lease. Raises OSError."""
        now, running = self.clock(), self.spool.places(RUNNING)
        for gone in self._seen.keys() - set(running):
            del self._seen[gone]
        for claim in running:
            count = read_beat(self.spool.beat(claim))
            if claim not in self._seen or self._seen[claim][0] != count:
                self._seen[claim] = count, now
        return [claim for claim in running if now - self._seen[claim][1] >= self.seconds]

    def release_dead(self) -> int:
        """Let the jobs of dead claims wait again; return how many. Raises OSError if the spool can not be looked at.

        What can not be released, as the disk is full, is tried again at the next look.
        """
        released = 0
        for claim in self.look():
            silent = f"no sign of life of {claim.token} for {self.seconds:g} s"
            try:
                moved = self.spool.release(claim, f"no sign of life for {self.seconds:g} s")
            except (ContestError, OSError) as error:
                if claim not in self._told:
                    say(f"evaluation queue: job {claim.id}: {silent}; it can not be released yet: {reason_of(error)}")
                self._told.add(claim)
                continue
            if moved:
                say(f"evaluation queue: job {claim.id}: {silent}; it waits again")
                released += 1
        return released


def read_beat(path: Path) -> bytes:
    """The count in a file of signs of life; empty if there is none yet."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class Heartbeat:
    """Signs of life for a claim, for as long as the context lasts; `lost` is set when the claim is gone.

    `on_lost` is called then, once, in the thread that beats. The file is written in place and opened anew each time:
    that takes no room on a full disk, and other hosts of a network file system see it.
    """

    def __init__(self, spool: Spool, claim: JobPlace, seconds: float, on_lost: Callable[[], object]) -> None:
        self.spool, self.claim = spool, claim
        self.lost = threading.Event()
        self._pause = seconds / BEATS_A_LEASE
        self._on_lost = on_lost
        self._done = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._beat(0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self.lost.is_set():
            self.spool.beat(self.claim).unlink(missing_ok=True)

    def _run(self) -> None:
        count, said = 0, False
        while not self._done.wait(self._pause):
            count += 1
            try:
                if not self.spool.path(self.claim).exists():
                    self.lost.set()
                    if not self._done.is_set():
                        self._on_lost()
                    return
                self._beat(count)
            except OSError as error:
                if not said:
                    say(f"evaluation queue: no sign of life can be written for {self.claim.id}: {reason_of(error)}")
                said = True

    def _beat(self, count: int) -> None:
        text = f"{count:{_DIGITS}d} {time.monotonic() - self._began:{_DIGITS}.0f}\n".encode()
        file = os.open(self.spool.beat(self.claim), os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.pwrite(file, text, 0)
        finally:
            os.close(file)


def seconds_running(beat: bytes) -> float | None:
    """How long a claim had been held at its last sign of life, by its own host's clock; None if there is none."""
    parts = beat.split()
    return float(parts[1]) if len(parts) == 2 else None
