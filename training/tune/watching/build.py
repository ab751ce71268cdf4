"""Who watches a run with given settings."""

from __future__ import annotations

from collections.abc import Sequence

from training.tune.settings import TuneSettings
from training.tune.watching.answers import Answers
from training.tune.watching.csv_log import CsvLog
from training.tune.watching.log import Log, Sink
from training.tune.watching.plots import Plots
from training.tune.watching.tensorboard import TensorBoard
from training.tune.watching.terminal import Terminal
from training.tune.watching.watcher import Watcher, Watchers


def build_watcher(settings: TuneSettings, others: Sequence[Watcher] = ()) -> Watcher:
    """Return the watcher of a run, who tells `others` too; called on the first process only."""
    sinks: list[Sink] = [Terminal(), CsvLog()]
    if settings.watch.tensorboard:
        sinks.append(TensorBoard())
    plots = [Plots()] if settings.watch.plots else []
    return Watchers([Log(sinks), Answers(), *plots, *others])  # plots are drawn from what the log has just written
