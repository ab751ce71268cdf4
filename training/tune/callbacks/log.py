"""Makes the rows of a run's log: losses, rates, throughput, memory, validation scores."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from training.tune.callbacks.callback import Callback, TrainingRun
from training.tune.callbacks.safe_callbacks import SafeCallbacks
from training.tune.validation import Validation

GIB = 2**30


class Sink:
    """Where rows go; what a subclass leaves out does nothing."""

    def open(self, run: TrainingRun) -> None:
        """A run begins; whatever was written of later steps belongs to a session that was lost."""

    def advance(self, step: int) -> None:
        """A step was made."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Rows of a step: name and value."""

    def close(self) -> None:
        """Nothing more will come."""


class Log(Callback):
    """Gives its sinks a row every `log_every` steps and at the last one, and each validation's scores.

    Segments' losses are means over the steps since the last such row (a single step is noisy), also where the run was
    resumed between them; the rest is the step's own.
    Throughput counts the time of steps alone, not that of validation or saving.
    """

    def __init__(self, sinks: Sequence[Sink], clock: Callable[[], float] = time.monotonic) -> None:
        self._sinks = SafeCallbacks(sinks)
        self._clock = clock

    def on_start(self, run: TrainingRun) -> None:
        """Open the sinks."""
        self._run = run
        self._worked = self._samples = self._tokens = 0.0
        self._since = self._clock()
        self._sinks.start(lambda sink: sink.open(run))

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Add a step; write where a row is due."""
        now = self._clock()
        self._worked += now - self._since
        self._samples += values.get("samples", 0)
        self._tokens += values.get("tokens", 0)
        self._run.means.add({name: value for name, value in values.items() if "." in name})
        self._sinks.call(lambda sink: sink.advance(step))
        due = step % self._run.log_every == 0
        if due or step == self._run.last_step:
            own = {name: value for name, value in values.items() if "." not in name and name not in AMOUNTS}
            row = {**own, **self._run.means.means(), **self._throughput(), **peak_memory()}
            self._sinks.call(lambda sink: sink.write(step, row))
            if due:  # a run that goes on behind `until` has the rows of one that never stopped there
                self._run.means.clear()
            self._worked = self._samples = self._tokens = 0.0
        self._since = self._clock()

    def on_validation(self, step: int, validation: Validation) -> None:
        """Write `validation.<task>.<what>`, `validation.loss` and `validation.score`."""
        row = validation_values(validation)
        self._sinks.call(lambda sink: sink.write(step, row))
        self._since = self._clock()

    def on_checkpoint(self, step: int, path: Path) -> None:
        """A checkpoint leaves no row."""
        self._since = self._clock()

    def on_end(self) -> None:
        """Close the sinks, and say once more what was not written."""
        self._sinks.call(lambda sink: sink.close())
        self._sinks.report()

    def _throughput(self) -> dict[str, float]:
        if self._worked <= 0:
            return {}
        return {"samples_per_second": self._samples / self._worked, "tokens_per_second": self._tokens / self._worked}


AMOUNTS = ("samples", "tokens")


def peak_memory() -> dict[str, float]:
    """Largest resident memory of this process so far, and of its CUDA allocator where there is one, in GiB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    peaks = {"peak_rss_gib": kilobytes * 1024 / GIB}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks["peak_cuda_gib"] = torch.cuda.max_memory_allocated() / GIB
    return peaks


def validation_values(validation: Validation) -> dict[str, float]:
    """Return the figures of a validation by their names in the log; what is not there has no row."""
    values: dict[str, float | None] = {"validation.loss": validation.loss, "validation.score": validation.score}
    for task, of_task in validation.tasks.items():
        values |= {
            f"validation.{task}.loss": of_task.loss,
            f"validation.{task}.score": of_task.score,
            f"validation.{task}.exact_match": of_task.exact_match,
        }
    return {name: value for name, value in values.items() if value is not None}
