"""The command `power`: the smallest difference that a test set shows, and the samples that a wished one needs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from contest.command_line import DONE, UsageError, number, whole
from contest.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `power`."""
    add = parser.add_argument
    add("first", type=Path, nargs="?", metavar="RESULT", help="a result that `evaluation score --json` wrote")
    add("second", type=Path, nargs="?", metavar="OTHER", help="another one of the same test, for the gaps between both")
    alike = "without OTHER: correlation of two runs' scores of a sample, from 0 to 1 (0.5 unless given)"
    add("--correlation", type=number(least=0, most=1), default=0.5, metavar="R", help=alike)
    add("--deviation", type=number(least=0, above=True), metavar="SD", help="instead of results: sd of the gaps")
    add("--samples", type=whole(least=2), metavar="N", help="with --deviation: number of samples")
    add("--effect", type=number(least=0, above=True), default=0.02, metavar="D", help="wished difference (0.02)")
    add(
        "--power",
        type=number(least=0.06, most=0.999),
        default=0.8,
        metavar="P",
        help="share of tests that see it (0.8)",
    )
    add("--alpha", type=number(least=0.0001, most=0.05), default=0.05, metavar="A", help="level of the test (0.05)")
    add("--json", type=Path, metavar="FILE", help="write the table as JSON")
    parser.set_defaults(run=power, keeps=("json",))


def power(options: argparse.Namespace) -> int:
    """Print the table. Raises UsageError, ResultFileError, NotComparableError."""
    given = options.deviation is not None
    if given == (options.first is not None) or given != (options.samples is not None):
        raise UsageError("either results, or --deviation with --samples", "see `evaluation power --help`")
    from contest.writing import write_json
    from evaluation.power import GapSpread, PowerGoal, power_table, row_of, spreads_of
    from evaluation.results import read_result

    goal = PowerGoal(options.effect, options.power, options.alpha)
    if given:
        spreads: tuple[GapSpread, ...] = (GapSpread("given", options.samples, options.samples, options.deviation),)
    else:
        second = None if options.second is None else read_result(options.second)
        spreads = spreads_of(read_result(options.first), second, options.correlation)
    rows = [row_of(spread, goal) for spread in spreads]
    if options.json:
        method = "noncentral t, two-sided, paired, robust to documents"
        asked = {**asdict(goal), "method": method, "rows": [asdict(row) for row in rows]}
        write_json(options.json, asked, indent=1)
    show(power_table(rows, goal))
    return DONE
