"""The command `compare`: two results sample by sample."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE
from contest.console import show
from evaluation.commands.options import add_resampling, resampling_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `compare`."""
    parser.add_argument("first", type=Path, help="a result that `evaluation score --json` wrote")
    parser.add_argument("second", type=Path, help="the result to compare with it")
    unlike = "compare tasks that were not scored in one way, too"
    parser.add_argument("--different-signatures", action="store_true", help=unlike)
    add_resampling(parser)
    parser.set_defaults(run=compare_results)


def compare_results(options: argparse.Namespace) -> int:
    """Print how far the second result is above the first."""
    from evaluation.comparing import compare, comparison_table
    from evaluation.first_challenge.comparing import (
        challenge_comparison_table,
        compare_challenges,
        is_challenge_result,
        read_subtasks,
    )
    from evaluation.results import read_result

    if is_challenge_result(options.first) and is_challenge_result(options.second):
        subtasks = compare_challenges(
            read_subtasks(options.first),
            read_subtasks(options.second),
            resampling_of(options),
            different_signatures=options.different_signatures,
        )
        show(challenge_comparison_table(subtasks))
        return DONE
    comparison = compare(
        read_result(options.first),
        read_result(options.second),
        different_signatures=options.different_signatures,
        resampling=resampling_of(options),
    )
    show(comparison_table(comparison))
    return DONE
