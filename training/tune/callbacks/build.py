"""The callbacks of a run with given settings."""

from __future__ import annotations

from collections.abc import Sequence

from training.tune.callbacks.answers import Answers
from training.tune.callbacks.callback import Callback, Callbacks
from training.tune.callbacks.csv_log import CsvLog
from training.tune.callbacks.log import Log, Sink
from training.tune.callbacks.plots import Plots
from training.tune.callbacks.tensorboard import TensorBoard
from training.tune.callbacks.terminal import Terminal
from training.tune.settings import LoggingSettings


def build_callbacks(settings: LoggingSettings, mode: str, others: Sequence[Callback] = ()) -> Callbacks:
    """Return the callbacks of a run, with `others` behind them; called on the first process only."""
    sinks: list[Sink] = [Terminal(), CsvLog()]
    if settings.tensorboard:
        sinks.append(TensorBoard())
    plots = [Plots()] if settings.plots else []  # drawn from what the log has just written
    return Callbacks([Log(sinks), Answers(settings.answers, mode), *plots, *others])
