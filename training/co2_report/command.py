"""Command line: `python -m training co2-report RUN_DIR [--out DIR]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from contest.console import say, show
from contest.emissions.training_summary import write_training_emissions
from contest.writing import write_bytes
from errors import UserError, reason_of
from training.co2_report.charts import co2_by_epoch, loss_against_co2
from training.co2_report.figures import Figures, gather
from training.co2_report.page import page

FOLDER = "co2_report"
PAGE, SUMMARY, BY_EPOCH, AGAINST = "co2_report.html", "training_emissions.json", "co2_by_epoch.png", "loss_by_co2.png"


def main(argv: Sequence[str]) -> int:
    """Write plots, page and summary; exit code 2 for a run that was not measured or files that can not be used.

    Exit code 1 where eco2AI measured nothing, so that there is no figure for the leaderboard: the page says why.
    """
    parser = argparse.ArgumentParser(prog="python -m training co2-report", description="What a training cost in CO2.")
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's folder, the `out` of its settings")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder for the report (default: RUN_DIR/{FOLDER})")
    arguments = parser.parse_args(argv)
    try:
        figures = gather(arguments.run)
        paths = write_report(figures, arguments.out or arguments.run / FOLDER)
    except (UserError, OSError, ValueError) as error:
        say(f"co2-report: {reason_of(error)}")
        return 2
    for path in paths:
        show(path)
    for problem in figures.summary.problems:
        say(f"co2-report: {problem}")
    return 0 if figures.summary.co2_kg is not None else 1


def write_report(figures: Figures, folder: Path) -> list[Path]:
    """Write the files and return them. Raises OSError, ContestError."""
    folder.mkdir(parents=True, exist_ok=True)
    by_epoch = co2_by_epoch(figures.parts)
    against = loss_against_co2(figures.validation, figures.training)
    paths = []
    for name, data in ((BY_EPOCH, by_epoch), (AGAINST, against), (PAGE, page(figures, by_epoch, against).encode())):
        if data is not None:
            write_bytes(folder / name, data)
            paths.append(folder / name)
    write_training_emissions(folder / SUMMARY, figures.summary)
    return [*paths, folder / SUMMARY]
