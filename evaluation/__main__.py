"""The command line of the evaluation: which commands there are. Each knows its options and its work."""

from __future__ import annotations

from functools import partial

from contest.command_line import WITH_FAULTS, Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="evaluation",
    description="Scores predictions as the contest does, and keeps, compares and ranks the results.",
    commands={
        "score": Command("evaluation.commands.score", "score predictions: table, JSON, CSV, report"),
        "report": Command("evaluation.commands.report", "write the report of a result as one HTML file", quiet=False),
        "compare": Command("evaluation.commands.compare", "compare two results sample by sample", quiet=False),
        "power": Command("evaluation.commands.power", "show how small a difference a test set can detect", quiet=False),
        "reconstruction": Command(
            "evaluation.commands.reconstruction", "score how well a picture tokenizer keeps pictures"
        ),
        "leaderboard": Command("evaluation.commands.leaderboard", "keep runs and rank them", quiet=False),
        "bundle": Command(
            "evaluation.commands.bundle", "write a test or a result in another platform's form", quiet=False
        ),
        "nomination": Command(
            "evaluation.commands.nomination", "name the most sustainable solution of a leaderboard", quiet=False
        ),
        "run-container": Command(
            "evaluation.commands.run_container", "run a submission's archive as the organisers do"
        ),
        "queue": Command(
            "evaluation.commands.queue", "run many submissions on many hosts, by a folder that all see", quiet=False
        ),
        "attempts": Command(
            "evaluation.commands.attempts", "keep the attempts of teams, and the private standings", quiet=False
        ),
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

main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
