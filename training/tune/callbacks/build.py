"""Who watches a run with given settings."""

from __future__ import annotations

from collections.abc import Sequence

from training.tune.callbacks.answers import Answers
from training.tune.callbacks.callback import Watcher, Watchers
from training.tune.callbacks.csv_log import CsvLog
from training.tune.callbacks.log import Log, Sink
from training.tune.callbacks.plots import Plots
from training.tune.callbacks.tensorboard import TensorBoard
from training.tune.callbacks.terminal import Terminal
from training.tune.settings import TuneSettings


def build_watcher(settings: TuneSettings, others: Sequence[Watcher] = ()) -> Watcher:
    """Return the watcher of a run, who tells `others` too; called on the first process only."""
    sinks: list[Sink] = [Terminal(), CsvLog()]
    if settings.watch.tensorboard:
        sinks.append(TensorBoard())
    plots = [Plots()] if settings.watch.plots else []
    return Watchers([Log(sinks), Answers(), *plots, *others])  # plots are drawn from what the log has just written
