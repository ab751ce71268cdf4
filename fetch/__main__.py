"""The command line of fetching: weights, networks of the metrics and data by name."""

from __future__ import annotations

from collections.abc import Sequence

from contest.command_line import Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="fetch",
    description="Fetch by name what others publish: resumed where it broke off, hashed, locked.",
    commands={
        "weights": Command("fetch.commands.weights", "fetch a model's weights, laid as a weights folder", is_long=True),
        "metrics": Command(
            "fetch.commands.metrics", "fetch a network of the metrics, laid as a folder of assets", is_long=True
        ),
        "data": Command("fetch.commands.data", "fetch a data set for data_prep", is_long=True),
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    return run_program(PROGRAM, arguments)


if __name__ == "__main__":
    start_program(main)
