"""That workers and the collector are there, for `status`: a file of each, written again and again while it lives."""

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
from contest.errors import ContestError
from contest.writing import writing
from evaluation.queue.errors import QueueError
from evaluation.queue.lease import BEATS_A_LEASE
from evaluation.queue.spool import COLLECTOR_NAME, WORKERS, Spool

MOST_OF_ONE_NAME = 10_000
LOOK_DIGITS = 12


def server_now(spool: Spool) -> float:
    """The time of the server that the spool lies on, in seconds; no host's clock is asked. Raises ContestError."""
    probe = spool.folder / WORKERS / f".now.{uuid4().hex}"
    with writing(probe):
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


def note_look(spool: Spool, looks: int) -> None:
    """Write that the collector, which follows, has looked so often: after each look no claim is dead that was then.

    As signs of life it is written in place, which takes no room on a full disk. Raises OSError.
    """
    told = json.dumps({"host": socket.gethostname(), "looks": 0}).replace(": 0", f": {looks:{LOOK_DIGITS}d}").encode()
    file = os.open(spool.folder / COLLECTOR_NAME, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.pwrite(file, told, 0)
        os.ftruncate(file, len(told))  # a collector that was killed on a host with a longer name has left more
    finally:
        os.close(file)


class Presence:
    """A worker's file, while the context lasts.

    A name that another worker has gets a number, and a word about that; a worker that finds its name taken, as it was
    taken for dead, takes another. `lacks`: images that the host has not; `done`: submissions that it has run.
    """

    def __init__(self, spool: Spool, name: str, seconds: float) -> None:
        self.spool, self.seconds = spool, seconds
        self.token = uuid4().hex[:8]
        self.lacks: set[str] = set()
        self.done = 0
        self._doing = "looks for a submission"
        self._began = time.monotonic()
        self._writing = threading.Lock()
        self._asked = name
        self.name = self._take()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with suppress(OSError):
            if self._is_mine():
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

    def _take(self) -> str:
        """Write the file under the first free name, which no two workers get. Raises ContestError."""
        folder = self.spool.folder / WORKERS
        draft = folder / f".{uuid4().hex}.tmp"
        for number in range(1, MOST_OF_ONE_NAME):
            chosen = self._asked if number == 1 else f"{self._asked}-{number}"
            path = folder / f"{chosen}.json"
            with writing(path):
                try:
                    draft.write_text(self._text(chosen), "utf-8")
                    if not (_linked(draft, path) or self._succeeds(path, draft)):
                        continue
                finally:
                    draft.unlink(missing_ok=True)
            if number > 1:
                say(f"evaluation queue: a worker called {self._asked} is there already; this one is called {chosen}")
            return chosen
        raise QueueError(f"{MOST_OF_ONE_NAME} workers are called {self._asked}", "give this one another --name")

    def _succeeds(self, path: Path, draft: Path) -> bool:
        """Put a draft in the place of a dead worker's file, unless another worker does. Raises OSError.

        One alone can make the file that is called after what the dead one wrote last. Whoever looked before it did so
        and comes too late sees, once he has made such a file too, that something else lies there.
        """
        try:
            dead = _signature(path)
            if server_now(self.spool) - path.stat().st_mtime <= self.seconds:
                return False
            heir = path.with_name(f".{path.stem}.{dead}.heir")
            os.close(os.open(heir, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except (FileNotFoundError, FileExistsError):  # it has just ended, or has an heir
            return False
        try:
            if _signature(path) != dead:
                return False
            os.replace(draft, path)
            return True
        except FileNotFoundError:
            return False
        finally:
            heir.unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        """Whether the file is not another worker's. One that a full disk has left empty is nobody else's."""
        try:
            told = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return False
        except ValueError:
            return True
        return bool(told["token"] == self.token)

    def _run(self) -> None:
        while not self._over.wait(self.seconds / BEATS_A_LEASE):
            self._write()

    def _write(self) -> None:
        with self._writing, suppress(OSError, ContestError):  # for people's eyes; a full disk shall end no run
            if self._is_mine():
                self.path.write_text(self._text(self.name), "utf-8")
            else:
                self.name = self._take()

    def _text(self, name: str) -> str:
        value = {
            "name": name,
            "token": self.token,
            "host": socket.gethostname(),
            "doing": self._doing,
            "lacks": sorted(self.lacks),
            "done": self.done,
            "seconds": round(time.monotonic() - self._began),
        }
        return json.dumps(value, ensure_ascii=False)


def _linked(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    return True


def _signature(path: Path) -> str:
    """Tells a file from one that takes its place, and from itself once it is written again. It is opened for that, as
    network file systems ask their server then. Raises OSError."""
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}"
