"""The progress bar, and lines for who reads a file of the output."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from training.tune.bars import bar, write_row
from training.tune.callbacks.callback import TrainingRun
from training.tune.callbacks.log import Sink

SHORT = {
    "samples_per_second": "samples/s",
    "tokens_per_second": "tokens/s",
    "peak_rss_gib": "memory GiB",
    "peak_cuda_gib": "CUDA GiB",
    "gradient_norm": "gradient",
}
ON_BAR = ("loss", "samples_per_second", "tokens_per_second", "peak_cuda_gib", "peak_rss_gib")

OF_A_NODE = re.compile(r"node\d+_")


class Terminal(Sink):
    """A sink that shows a bar where there is a terminal, and writes each row as a line with an estimate of the end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def open(self, run: TrainingRun) -> None:
        """Show the bar."""
        self._first, self._last, self._begun = run.resumed_step, run.last_step, self._clock()
        self._bar = bar(desc="tune", initial=self._first, total=self._last, unit="step")

    def advance(self, step: int) -> None:
        """Move the bar."""
        self._bar.update()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line, and a few values next to the bar."""
        told = {name: value for name, value in values.items() if not OF_A_NODE.match(name)}  # there may be hundreds
        named = "  ".join(f"{SHORT.get(name, name)} {value:.4g}" for name, value in told.items())
        write_row(f"step {step}/{self._last}  {named}{self._left(step)}")
        shown = {SHORT.get(name, name): f"{values[name]:.4g}" for name in ON_BAR if name in values}
        if shown:
            self._bar.set_postfix(shown, refresh=False)

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()

    def _left(self, step: int) -> str:
        """Say how long it will take at the speed so far, validation and saving included."""
        done, elapsed = step - self._first, self._clock() - self._begun
        if not done or step >= self._last:
            return ""
        left = timedelta(seconds=round((self._last - step) * elapsed / done))
        return f"  ends in {left}, {datetime.now() + left:%d %b %H:%M}"
