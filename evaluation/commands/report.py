"""The command `report`: a result that was scored before as one HTML file, beside another if asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from contest.console import show
from evaluation.commands.options import add_files, add_resampling, resampling_of
from evaluation.report import build
from evaluation.results import Result, read_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `report`."""
    parser.add_argument("--result", type=Path, required=True, metavar="FILE", help="what `score --json` wrote")
    add_files(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the report")
    add_resampling(parser)
    parser.set_defaults(command=report, keeps=("out",))


def report(options: argparse.Namespace) -> int:
    """Write the report of a result, and say where it is."""
    path = write_report(options.out, read_result(options.result), options, options.show_emissions)
    show(report_line(path))
    return 0


def write_report(folder: Path, result: Result, options: argparse.Namespace, emissions: Sequence[Path]) -> Path:
    """Write the report of a result into a folder and return its path. Raises as `evaluation.report.build` does."""
    return build(
        result,
        folder,
        predictions=options.predictions,
        ground_truth=options.ground_truth,
        input_root=options.input,
        other=None if options.other is None else read_result(options.other),
        other_predictions=options.other_predictions,
        emissions=emissions,
        resampling=resampling_of(options),
    )


def report_line(path: Path) -> str:
    """Return the line that says where a report is and what to do with it."""
    return f"report: {path} (open it in a browser)"
