"""Command line: `python -m training plots DIR` draws a run's plots anew from its log."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, NOT_DONE
from contest.console import say, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the run's output folder, with log.csv")
    parser.set_defaults(run=run, keeps=("folder",))


def run(options: argparse.Namespace) -> int:
    """Draw the plots; status 2 for a log without values."""
    from training.tune.callbacks.plots import draw_plots

    paths = draw_plots(options.folder)
    for path in paths:
        show(path)
    if not paths:
        say(f"training plots: {options.folder}: the log has no values yet")
    return DONE if paths else NOT_DONE
