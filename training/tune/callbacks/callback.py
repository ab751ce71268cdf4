"""What a run tells those who watch it. The training knows only the `Watcher` protocol of this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from training.tune.callbacks.tolerance import Tolerant
from training.tune.running_means import RunningMeans
from training.tune.settings import TuneSettings
from training.tune.validation import Validation


@dataclass(frozen=True)
class Run:
    """A run that begins or goes on.

    `resumed_step`: the steps that were done before (0 for a new run). `epoch_steps`: the steps of an epoch. `means`:
    what the log adds up between two rows, of the steps before the run was resumed as well.
    """

    settings: TuneSettings
    resumed_step: int
    epoch_steps: int
    means: RunningMeans = field(default_factory=RunningMeans)

    @property
    def out(self) -> Path:
        """Where everything goes."""
        return Path(self.settings.out)

    @property
    def last_step(self) -> int:
        """The step with which the run ends."""
        return self.settings.steps if self.settings.until is None else self.settings.until


class Watcher(Protocol):
    """Told of everything that happens in a run, in this order, on the first process only.

    `start` once, `step` after every step (steps count from 1), `validated` and `saved` where that was done, and
    `finish` at the end, also when the run broke off with an error.
    """

    def start(self, run: Run) -> None:
        """A run begins."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """A step was made. `values`: `loss`, `rate`, `gradient_norm`, the step's `samples` and `tokens` (positions of
        all processes), and the mean cross-entropy of every trained segment as `<task>.<segment>`."""

    def validated(self, step: int, validation: Validation) -> None:
        """The weights behind `step` were validated."""

    def saved(self, step: int, path: Path) -> None:
        """The checkpoint of `step` lies complete at `path`."""

    def finish(self) -> None:
        """Nothing more will come."""


class Watchers:
    """Tells several watchers; one that can not write takes no other along."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = Tolerant(watchers)

    def start(self, run: Run) -> None:
        """Tell all."""
        self._watchers.start(lambda watcher: watcher.start(run))

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Tell all."""
        self._watchers.tell(lambda watcher: watcher.step(step, values))

    def validated(self, step: int, validation: Validation) -> None:
        """Tell all."""
        self._watchers.tell(lambda watcher: watcher.validated(step, validation))

    def saved(self, step: int, path: Path) -> None:
        """Tell all."""
        self._watchers.tell(lambda watcher: watcher.saved(step, path))

    def finish(self) -> None:
        """Tell all, and say once more what was not written."""
        self._watchers.tell(lambda watcher: watcher.finish())
        self._watchers.report()
