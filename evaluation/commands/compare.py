"""The command `compare`: two results sample by sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.console import show
from evaluation.commands.options import add_resampling, resampling_of
from evaluation.comparing import compare, comparison_table
from evaluation.results import read_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `compare`."""
    parser.add_argument("first", type=Path, help="a result that `score --json` wrote")
    parser.add_argument("second", type=Path, help="the result to compare with it")
    parser.add_argument("--different-signatures", action="store_true", help="compare what does not measure the same")
    add_resampling(parser)
    parser.set_defaults(command=compare_results)


def compare_results(options: argparse.Namespace) -> int:
    """Print how far the second result is above the first."""
    comparison = compare(
        read_result(options.first),
        read_result(options.second),
        different_signatures=options.different_signatures,
        resampling=resampling_of(options),
    )
    show(comparison_table(comparison))
    return 0
