"""Command line: `python -m training plots DIR` draws a run's plots anew from its log."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from contest.console import say, show
from errors import UserError, reason_of
from training.tune.callbacks.plots import draw_plots


def main(argv: Sequence[str]) -> int:
    """Draw the plots; exit code 2 for a folder without a usable log, or one that can not be written to."""
    parser = argparse.ArgumentParser(prog="python -m training plots", description="Draw a run's plots from its log.")
    parser.add_argument("run", type=Path, metavar="DIR", help="the run's folder, with log.csv")
    arguments = parser.parse_args(argv)
    try:
        paths = draw_plots(arguments.run)
    except (UserError, OSError, ValueError) as error:
        say(f"plots: {reason_of(error)}")
        return 2
    for path in paths:
        show(path)
    if not paths:
        say(f"plots: {arguments.run}: the log has no values yet")
    return 0 if paths else 2
