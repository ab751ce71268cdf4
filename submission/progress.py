"""How far phases are: on a terminal one line that is drawn over, and one line at the end of each.

All that a run says goes through here, so that nothing is written over a bar, nor a bar over anything. tqdm gives a bar
its form; it neither writes nor starts a thread, and no lock of its own can be left held.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm import tqdm

from contest import console

SECONDS_BETWEEN_DRAWINGS = 0.1
USUAL_COLUMNS = 80
COMMAND = "submission run"


@dataclass(eq=False)
class _Bar:
    label: str
    total: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)


class _LastLine:
    """The last line of the terminal: the bar of the phase that began last, after how far the others are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: list[_Bar] = []
        self._drawn = 0  # characters that stand there
        self._drawn_at = -float("inf")

    def add(self, bar: _Bar) -> None:
        with self._lock:
            self._bars.append(bar)
            self._draw()

    def say(self, text: str, ended: _Bar | None = None) -> None:
        """Write a text above the line, or in the place of a bar that has ended."""
        with self._lock:
            if ended is not None:
                self._bars.remove(ended)
            if self._drawn:
                sys.stderr.write("\r" + " " * min(self._drawn, _columns() - 1) + "\r")
                self._drawn = 0
            console.say(text)
            self._draw()

    def advance(self, bar: _Bar) -> None:
        bar.done += 1
        if time.monotonic() - self._drawn_at >= SECONDS_BETWEEN_DRAWINGS:
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if not self._bars or not sys.stderr.isatty():
            return
        *others, last = self._bars
        room = _columns() - 1  # a full line would wrap
        before = "".join(f"{bar.label} {bar.done}/{bar.total}, " for bar in others)[:room]
        elapsed = time.monotonic() - last.started
        line = before + tqdm.format_meter(
            last.done, last.total, elapsed, ncols=max(1, room - len(before)), prefix=last.label, unit="sample"
        )
        line = line[:room]
        sys.stderr.write("\r" + line.ljust(min(self._drawn, room)))
        sys.stderr.flush()
        self._drawn, self._drawn_at = len(line), time.monotonic()


_LAST_LINE = _LastLine()


@contextmanager
def progress(label: str, total: int, *, shown: bool = True) -> Iterator[Callable[[], None]]:
    """Yield what is to be called once for each sample done. Of several processes only one is `shown`."""
    bar = _Bar(label, total)
    if not shown or not total or console.is_quiet():
        yield lambda: None
        return
    _LAST_LINE.add(bar)
    try:
        yield lambda: _LAST_LINE.advance(bar)
    finally:
        of_total = "" if bar.done == total else f"{bar.done} of "
        seconds = time.monotonic() - bar.started
        _LAST_LINE.say(f"{label}: {of_total}{console.counted(total, 'sample')} in {seconds:.1f} s", ended=bar)


def say(line: str) -> None:
    """Say one line to the user, on stderr; nothing where one asked for quiet."""
    if not console.is_quiet():
        _LAST_LINE.say(line)


def warn(line: str) -> None:
    """Say what is no mistake in itself, but hardly what was meant, as all commands do."""
    _LAST_LINE.say(f"{COMMAND}: warning: {line}")


def complain(coded: str) -> None:
    """Say what went wrong, as all commands do: `[CODE] what, where; remedy`."""
    _LAST_LINE.say(f"{COMMAND}: error {coded}")


@contextmanager
def warnings_above_bars() -> Iterator[None]:
    """Have Python's warnings, those of libraries, said as everything else is, each on a line of its own."""

    def say_warning(message: Warning | str, category: type[Warning], filename: str, line: int, *_: object) -> None:
        _LAST_LINE.say(f"{filename}:{line}: {category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = say_warning  # type: ignore[assignment]
        yield


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_COLUMNS
    except (OSError, ValueError):  # no terminal, or none that knows its size
        return USUAL_COLUMNS
