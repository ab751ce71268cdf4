"""What a run tells those who watch it, and who watches. The training itself knows only the `Watcher` protocol."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from models.rudolph import Rudolph
from training.tune.settings import TuneSettings

LOG_EVERY = 25


class Watcher(Protocol):
    """Told of everything that happens in a run, in this order, on the first process only.

    `start` once, `step` after every step (steps count from 1), `validated` and `saved` where that was done, and
    `finish` at the end, also when the run broke off with an error.
    """

    def start(self, settings: TuneSettings, model: Rudolph, resumed_step: int) -> None:
        """A run begins behind step `resumed_step` (0 for a new one)."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """A step was made. `values`: `loss`, `rate`, `gradient_norm`, the step's `samples` and `tokens` (positions of
        all processes), and the mean cross-entropy of every trained segment as `<task>.<segment>`."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """The weights behind `step` were validated: score by task."""

    def saved(self, step: int, path: Path) -> None:
        """The checkpoint of `step` lies complete at `path`."""

    def finish(self) -> None:
        """Nothing more will come."""


class CsvLog:
    """Progress on the terminal, and rows of `out/log.csv`; a resumed run appends."""

    def start(self, settings: TuneSettings, model: Rudolph, resumed_step: int) -> None:
        """Open the progress bar."""
        self.path = Path(settings.out) / "log.csv"
        self.last = settings.steps if settings.until is None else settings.until
        self.first = resumed_step
        self.started = time.monotonic()
        self.running: dict[str, float] = {}
        self.bar = tqdm(desc="tune", initial=resumed_step, total=self.last, disable=None)

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Write every 25th step and the last one; the segments' losses as running means."""
        self.bar.update()
        for name, value in values.items():
            if "." in name:
                self.running[name] = 0.95 * self.running.get(name, value) + 0.05 * value
        if step % LOG_EVERY == 0 or step == self.last:
            whole = {name: values[name] for name in ("loss", "rate", "gradient_norm")}
            speed = (step - self.first) / (time.monotonic() - self.started)
            self._write({"step": step, **whole, "steps_per_second": speed, **self.running})

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores."""
        self._write({"step": step, **{f"validation.{task}": score for task, score in scores.items()}})

    def saved(self, step: int, path: Path) -> None:
        """A checkpoint leaves no row."""

    def finish(self) -> None:
        """Close the progress bar."""
        self.bar.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        """Write one long-format row for each value: step, name, value."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(("step", "name", "value"))
            for name, value in row.items():
                if name != "step":
                    writer.writerow((row["step"], name, value))
        tqdm.write("  ".join(f"{name} {value:.4g}" for name, value in row.items()))


def build_watcher(settings: TuneSettings) -> Watcher:
    """Who watches a run with these settings; called on the first process only."""
    return CsvLog()
