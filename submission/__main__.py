"""The command line of the submission: run, preview, pack, check, doctor. Each command knows its options and statuses.

Only the named command is imported, so that `doctor` starts where what the others need is missing or broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from contest.console import ending_on_interrupt, say, start_program
from errors import UserError, reason_of

NOT_DONE, INTERRUPTED = 2, 130
# Command: (module with `add_arguments` and `show`, which returns the exit status; what it is for).
COMMANDS = {
    "preview": (
        "submission.preview",
        "show what a run answered: a table of some samples, a contact sheet of the pictures",
    ),
    "pack": ("submission.pack", "make the archive that is uploaded"),
    "check": ("submission.check", "look for mistakes in an archive, a folder or predictions"),
    "doctor": ("submission.doctor.command", "tell what would go wrong with a run on this machine"),
    "run": ("submission.run_command", "answer all samples of an input file"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        parser = _parser(arguments[0] if arguments else "")
    except Exception as error:  # a package that is broken may raise anything when it is imported
        say(f"error: {reason_of(error)}; `python -m submission doctor` tells what is missing")
        return NOT_DONE
    options = parser.parse_args(arguments)
    try:
        status: int = options.show(options)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except (UserError, ValueError, OSError) as error:
        say(f"error: {reason_of(error)}")
        return NOT_DONE
    return status


def _parser(named: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m submission", description="What runs in the organisers' container.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="command")
    for name, (module, help_) in COMMANDS.items():
        command = commands.add_parser(name, help=help_, formatter_class=_HelpFormatter)
        if name == named:
            with ending_on_interrupt():
                imported = import_module(module)
            imported.add_arguments(command)
            command.set_defaults(show=imported.show)
    return parser


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.default is not None and action.default is not False
        return super()._get_help_string(action) if has_default else action.help


if __name__ == "__main__":
    start_program(main)
