"""Command line: `python -m training co2-report DIR [--output DIR]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, WITH_FAULTS
from contest.console import counted, say, show

if TYPE_CHECKING:
    from training.co2_report.figures import Figures

FOLDER = "co2_report"
PAGE, SUMMARY, BY_EPOCH, AGAINST = "co2_report.html", "training_emissions.json", "co2_by_epoch.png", "loss_by_co2.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the run's output folder")
    parser.add_argument("--output", type=Path, metavar="DIR", help=f"folder of the report (default: DIR/{FOLDER})")
    parser.set_defaults(run=run, keeps=("folder",))


def run(options: argparse.Namespace) -> int:
    """Write plots, page and summary.

    Status 1 where eco2AI measured nothing, so that there is no figure for the leaderboard: the page says why.
    """
    from training.co2_report.figures import gather

    figures = gather(options.folder)
    for path in write_report(figures, options.output or options.folder / FOLDER):
        show(path)
    if len(figures.nodes) > 1:
        for node in figures.nodes:
            show(f"{node.name}: {_grams(node.co2_kg)} CO2 in {counted(node.sessions, 'session')}")
        show(f"all {len(figures.nodes)} nodes: {_grams(figures.summary.co2_kg)} CO2")
    for problem in figures.summary.problems:
        say(f"training co2-report: {problem}")
    return DONE if figures.summary.co2_kg is not None else WITH_FAULTS


def _grams(co2_kg: float | None) -> str:
    return "no measured" if co2_kg is None else f"{co2_kg * 1000:.4g} g"


def write_report(figures: Figures, folder: Path) -> list[Path]:
    """Write the files and return them. Raises OSError, ContestError."""
    from contest.emissions.training_summary import write_training_emissions
    from contest.writing import write_bytes
    from training.co2_report.charts import co2_by_epoch, loss_against_co2
    from training.co2_report.page import page

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
