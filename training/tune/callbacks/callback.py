"""What a run tells of itself: the events, and who is called at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.tune.callbacks.safe_callbacks import SafeCallbacks
from training.tune.running_means import RunningMeans
from training.tune.validation import Validation


@dataclass(frozen=True)
class TrainingRun:
    """A run that begins or goes on.

    `output`: where everything goes. `resumed_step`: the steps that were done before (0 for a new run). `last_step`: the
    step with which it ends. `epoch_steps`: the steps of an epoch. `log_every`: steps between two rows of the log.
    `means`: what the log adds up between two rows, of the steps before the run was resumed as well.
    """

    output: Path
    resumed_step: int
    last_step: int
    epoch_steps: int
    log_every: int
    means: RunningMeans = field(default_factory=RunningMeans)


class Callback:
    """Called at every event of a run, on the first process only; what a subclass leaves out does nothing."""

    def on_start(self, run: TrainingRun) -> None:
        """A run begins."""

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """A step (counted from 1) was made.

        `values`: `loss`, `rate`, `gradient_norm`, the step's `samples` and `tokens` (positions of all processes), and
        the mean cross-entropy of every trained segment as `<task>.<segment>`.
        """

    def on_validation(self, step: int, validation: Validation) -> None:
        """The weights behind `step` were validated."""

    def on_checkpoint(self, step: int, path: Path) -> None:
        """The checkpoint of `step` lies complete at `path`."""

    def on_end(self) -> None:
        """Nothing more will come; also called when the run broke off with an error."""


class Callbacks(Callback):
    """Calls several; one that can not write takes no other along."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = SafeCallbacks(callbacks)

    def on_start(self, run: TrainingRun) -> None:
        """Call all."""
        self._callbacks.start(lambda callback: callback.on_start(run))

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Call all."""
        self._callbacks.call(lambda callback: callback.on_step(step, values))

    def on_validation(self, step: int, validation: Validation) -> None:
        """Call all."""
        self._callbacks.call(lambda callback: callback.on_validation(step, validation))

    def on_checkpoint(self, step: int, path: Path) -> None:
        """Call all."""
        self._callbacks.call(lambda callback: callback.on_checkpoint(step, path))

    def on_end(self) -> None:
        """Call all, and say once more what was not written."""
        self._callbacks.call(lambda callback: callback.on_end())
        self._callbacks.report()
