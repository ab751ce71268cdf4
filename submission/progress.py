"""How far a phase is: a bar with an estimate on a terminal, one line at its end elsewhere. Knows nothing of phases."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress(label: str, total: int, *, shown: bool = True) -> Iterator[Callable[[], None]]:
    """Yield what is to be called once for each sample done. Of several processes only one is `shown`."""
    started = time.monotonic()
    done = 0
    disable = None if shown else True  # None: on a terminal only
    with tqdm(total=total, desc=label, unit="sample", file=sys.stderr, disable=disable) as bar:

        def advance() -> None:
            nonlocal done
            done += 1
            bar.update()

        yield advance
    if bar.disable and shown:
        of_total = "" if done == total else f" of {total}"
        say(f"{label}: {done} samples{of_total} in {time.monotonic() - started:.1f} s")


def say(line: str) -> None:
    """Tell the user one line, on stderr."""
    print(line, file=sys.stderr, flush=True)
