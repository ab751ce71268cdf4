"""The command `nomination`: the most sustainable solution of each group of the leaderboard."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from contest.command_line import DONE, number
from contest.console import show
from evaluation.commands.options import add_board
from evaluation.settings import BASELINE_INTEGRAL

if TYPE_CHECKING:
    from evaluation.nomination import Nomination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `nomination`."""
    add_board(parser)
    to_beat = "S that a solution must be above, from 0 to 1"
    parser.add_argument(
        "--baseline", type=number(least=0, most=1), default=BASELINE_INTEGRAL, metavar="S", help=to_beat
    )
    parser.set_defaults(run=nomination)


def nomination(options: argparse.Namespace) -> int:
    """Print who is eligible in each group, and who wins. Raises LeaderboardError if no run has an integral score."""
    from evaluation import leaderboard
    from evaluation.errors import LeaderboardError
    from evaluation.nomination import Candidate, nominate

    runs = [run for run in leaderboard.read(options.db) if run.integral is not None and not run.is_of_first_challenge]
    groups = leaderboard.grouped(runs)
    if not groups:
        raise LeaderboardError("no run of the leaderboard has an integral score", "add runs of all twelve tasks")
    parts = []
    for place, group in enumerate(groups, start=1):
        entries = [
            Candidate(run.name, run.integral, run.provenance.co2_kg) for run in group.runs if run.integral is not None
        ]
        parts.append(f"{leaderboard.heading(place, group)}\n{_text(nominate(entries, options.baseline))}")
    show("\n\n".join(parts))
    return DONE


def _text(outcome: Nomination) -> str:
    from evaluation.table import columns

    if outcome.threshold is None:
        return f"no score is above the baseline of {outcome.baseline:g}: there is no winner"
    rows = [("solution", "S", "CO2, kg", "")]
    for entry in (*outcome.eligible, *outcome.unmeasured):
        co2 = "not measured" if entry.co2 is None else f"{entry.co2:g}"
        rows.append((entry.name, f"{entry.score:.4f}", co2, "winner" if entry in outcome.winners else ""))
    return f"eligible from S = {outcome.threshold:.6f} (baseline {outcome.baseline:g})\n{columns(rows)}"
