"""How far a phase is: a bar with an estimate on a terminal, one line at its end elsewhere. Knows nothing of phases."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield what is to be called once for each sample done."""
    started = time.monotonic()
    with tqdm(total=total, desc=label, unit="sample", file=sys.stderr, disable=None) as bar:  # None: on a terminal only

        def advance() -> None:
            bar.update()

        yield advance
    if bar.disable:
        say(f"{label}: {total} samples in {time.monotonic() - started:.1f} s")


def say(line: str) -> None:
    """Tell the user one line, on stderr."""
    print(line, file=sys.stderr, flush=True)
