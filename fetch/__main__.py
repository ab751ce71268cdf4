"""The command line of fetching: weights, networks of the metrics and data by name."""

from __future__ import annotations

from functools import partial

from contest.command_line import Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="fetch",
    description="Fetch by name what others publish: resumed where it broke off, hashed, locked.",
    commands={
        "weights": Command("fetch.commands.weights", "fetch a model's weights, laid as a weights folder"),
        "metrics": Command("fetch.commands.metrics", "fetch a network of the metrics, laid as a folder of assets"),
        "data": Command("fetch.commands.data", "fetch a data set for data_prep"),
    },
)

main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
