"""That a worker is there, for `status`: a file that it writes again and again while it lives."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from contest.console import say
from contest.writing import writing
from evaluation.queue.lease import BEATS_A_LEASE
from evaluation.queue.spool import WORKERS, Spool


def server_now(spool: Spool) -> float:
    """The time of the server that the spool lies on, in seconds; no host's clock is asked. Raises ContestError."""
    probe = spool.folder / WORKERS / f".now.{uuid4().hex}"
    with writing(probe):
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


class Presence:
    """A worker's file, while the context lasts.

    A name that another worker has gets a number, and a word about that. `lacks`: images that the host has not;
    `done`: submissions that it has run.
    """

    def __init__(self, spool: Spool, name: str, seconds: float) -> None:
        self.spool, self.seconds = spool, seconds
        self.token = uuid4().hex[:8]
        self.name = self._take(name)
        self.lacks: set[str] = set()
        self.done = 0
        self._doing = "looks for a submission"
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.spool.folder / WORKERS / f"{self.name}.json"

    def says(self, doing: str) -> None:
        """Say what the worker does now."""
        if doing != self._doing:
            self._doing = doing
            self._write()

    def _take(self, name: str) -> str:
        for number in range(1, 10_000):
            chosen = name if number == 1 else f"{name}-{number}"
            path = self.spool.folder / WORKERS / f"{chosen}.json"
            with writing(path):
                try:
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
                except FileExistsError:
                    if not self._is_dead(path):
                        continue
                    path.touch()  # of a worker that was killed
            if number > 1:
                say(f"evaluation queue: a worker called {name} is there already; this one is called {chosen}")
            return chosen
        raise AssertionError("ten thousand workers of one name")

    def _is_dead(self, path: Path) -> bool:
        with suppress(FileNotFoundError):
            return server_now(self.spool) - path.stat().st_mtime > self.seconds
        return False

    def _run(self) -> None:
        while not self._over.wait(self.seconds / BEATS_A_LEASE):
            self._write()

    def _write(self) -> None:
        value = {
            "name": self.name,
            "token": self.token,
            "host": socket.gethostname(),
            "doing": self._doing,
            "lacks": sorted(self.lacks),
            "done": self.done,
            "seconds": round(time.monotonic() - self._began),
        }
        with suppress(OSError):  # it is for people's eyes alone; a full disk shall end no run
            self.path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
