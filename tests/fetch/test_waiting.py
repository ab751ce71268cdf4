"""Two processes that fetch into one folder: the later one waits, and says so."""

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contest.atomic import locked
from fetch.locking import LockedFile, add_to_lock


class Flushed(io.StringIO):
    """A stream that tells when something was written: one that is emptied again and again can lose a line between."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = threading.Event()

    def flush(self) -> None:
        self.happened.set()


def test_who_waits_for_another_process_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", told := Flushed())
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path):
            waiting = pool.submit(add_to_lock, tmp_path, "a", LockedFile("s", "", "0" * 64, 1))
            assert told.happened.wait(600)
        waiting.result()
    assert told.getvalue() == f"waiting: another process is fetching into {tmp_path}\n"
