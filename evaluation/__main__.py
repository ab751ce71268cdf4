"""The command line of the evaluation: which commands there are. Each knows its options and its work."""

from __future__ import annotations

from collections.abc import Sequence

from contest.command_line import WITH_FAULTS, Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="evaluation",
    description="Scores predictions as the contest does, and keeps, compares and ranks the results.",
    commands={
        "score": Command("evaluation.commands.score", "score predictions: table, JSON, CSV, report", is_long=True),
        "report": Command("evaluation.commands.report", "write the report of a result as one HTML file"),
        "compare": Command("evaluation.commands.compare", "compare two results sample by sample"),
        "power": Command("evaluation.commands.power", "tell how small a difference a test set shows"),
        "reconstruction": Command(
            "evaluation.commands.reconstruction", "score how well a picture tokenizer keeps pictures", is_long=True
        ),
        "leaderboard": Command("evaluation.commands.leaderboard", "keep runs and rank them"),
        "bundle": Command("evaluation.commands.bundle", "write a test or a result in another platform's form"),
        "nomination": Command("evaluation.commands.nomination", "name the most sustainable solution of a leaderboard"),
        "run-container": Command(
            "evaluation.commands.run_container", "run a submission's archive as the organisers do", is_long=True
        ),
        "queue": Command("evaluation.commands.queue", "run many submissions on many hosts, by a folder that all see"),
        "attempts": Command("evaluation.commands.attempts", "keep the attempts of teams, and the private standings"),
    },
    old_options={
        "--bootstrap-seed": "--seed",
        "--out": "--output",
        "--report": "--html",
        "--show-emissions": "--with-emissions",
    },
    statuses={
        WITH_FAULTS: "score: done, but in mode strict an error cost samples their score; "
        "run-container: not valid, by the submission's fault",
        129: "ended by SIGHUP",
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    return run_program(PROGRAM, arguments)


if __name__ == "__main__":
    start_program(main)
