"""The command line of the evaluation: which command there is, and how it ends. Each command knows its options.

Exit status 0: all went well. 1: everything was scored, but in mode strict some samples lost their score to an error,
which is named. 2: nothing could be done, or its result could not be told, and the message says why. 130: interrupted.

Only the named command is imported, after the standard descriptors are open.
"""

from __future__ import annotations

if __name__ == "__main__":  # what follows takes seconds to import
    from contest.console import end_on_interrupt

    end_on_interrupt()

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from contest.console import ending_on_interrupt, say, start_program, status_when_shown
from errors import reason_of
from evaluation.commands import INTERRUPTED, NOT_DONE, TELLABLE

# Command: (module, its function that adds the options, what the command is for). The options name the function that
# does the work, `command`, and in `keeps` those among them whose files hold what the command prints.
COMMANDS = {
    "score": ("evaluation.commands.score", "add_arguments", "score predictions: table, JSON, CSV, report"),
    "report": ("evaluation.commands.report", "add_arguments", "write the report of a result as one HTML file"),
    "compare": ("evaluation.commands.compare", "add_arguments", "compare two results sample by sample"),
    "leaderboard": ("evaluation.commands.leaderboard", "add_arguments", "keep runs and rank them"),
    "run-container": (
        "evaluation.container.command",
        "add_run_container",
        "run a submission's archive as the organisers do",
    ),
    "attempts": (
        "evaluation.container.command",
        "add_attempts",
        "keep the attempts of teams, and the private standings",
    ),
    "nomination": (
        "evaluation.commands.nomination",
        "add_arguments",
        "name the most sustainable solution of a leaderboard",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments[0] if arguments else "").parse_args(arguments)
    try:
        status = int(options.command(options))
    except KeyboardInterrupt:
        say("evaluation: interrupted")
        return INTERRUPTED
    except TELLABLE as error:
        say(f"evaluation: error: {reason_of(error)}")
        return NOT_DONE
    kept = [path for name in getattr(options, "keeps", ()) if (path := getattr(options, name)) is not None]
    return status_when_shown("evaluation", status, kept)


def _parser(named: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description="Scores predictions as the contest does.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, (module, function, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        if name == named:
            with ending_on_interrupt():
                imported = import_module(module)
            getattr(imported, function)(command)
    return parser


if __name__ == "__main__":
    start_program(main)
