"""The command `report`: a result that was scored before as one HTML file, compared with another if asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE
from contest.console import show
from evaluation.commands.options import add_files, add_resampling, add_result, resampling_of, result_path

if TYPE_CHECKING:
    from evaluation.joining import Joined
    from evaluation.results import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `report`."""
    add_result(parser)
    add_files(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the report")
    add_resampling(parser)
    parser.set_defaults(run=report, keeps=("output",))


def report(options: argparse.Namespace) -> int:
    """Write the report of a result, and say where it is."""
    from evaluation.results import read_result

    path = write_report(options.output, read_result(result_path(options)), options, options.with_emissions)
    show(report_line(path))
    return DONE


def write_report(
    folder: Path,
    result: Result,
    options: argparse.Namespace,
    emissions: Sequence[Path],
    joined: Joined | None = None,
) -> Path:
    """Write the report of a result into a folder and return its path. Raises as `evaluation.report.build` does.

    `joined` is what was read of the files to score them, if that was just done.
    """
    from evaluation.report import build
    from evaluation.results import read_result

    return build(
        result,
        folder,
        predictions=options.predictions,
        ground_truth=options.ground_truth,
        input_root=options.input,
        joined=joined,
        other=None if options.other is None else read_result(options.other),
        other_predictions=options.other_predictions,
        emissions=emissions,
        resampling=resampling_of(options),
    )


def report_line(path: Path) -> str:
    """Return the line that says where a report is and what to do with it."""
    return f"report: {path} (open it in a browser)"
