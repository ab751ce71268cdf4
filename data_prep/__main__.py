"""Command line of data_prep: one subcommand a source. Knows only which function each one calls."""

from __future__ import annotations

if __name__ == "__main__":  # what follows takes seconds to import
    from contest.console import end_on_interrupt

    end_on_interrupt()

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from contest.console import start_program
from contest.errors import ContestError, ContestErrors
from contest.tasks import TASKS
from data_prep.commands import add_check, add_folder_tools, add_sources
from data_prep.synthetic.drawn import GRADES
from data_prep.synthetic.drills import DRILLS
from data_prep.synthetic.writer import Amounts, write_world


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = argparse.ArgumentParser(prog="python -m data_prep", description="Turn a source into contest files.")
    commands = root.add_subparsers(required=True, metavar="SOURCE")
    synthetic = commands.add_parser(
        "synthetic", help="a procedural world in Russian: all twelve tasks, any size, no downloads"
    )
    synthetic.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty directory")
    synthetic.add_argument("--seed", type=int, default=0)
    synthetic.add_argument("--train", type=int, default=3000, metavar="N", help="training samples a task")
    synthetic.add_argument("--validation", type=int, default=300, metavar="N", help="validation samples a task")
    synthetic.add_argument("--test", type=int, default=120, metavar="N", help="test samples a task")
    synthetic.add_argument(
        "--tasks",
        default=",".join(task.key for task in TASKS),
        metavar="A,B,...",
        help=f"keys of the tasks to write (default: %(default)s), or of drills for training: {','.join(DRILLS)}",
    )
    synthetic.add_argument(
        "--grades",
        default=",".join(GRADES),
        metavar="A,B,...",
        help="grades that take turns in the training split; name one often to have more of it (default: %(default)s)",
    )
    synthetic.set_defaults(command=run_synthetic)
    add_sources(commands)
    add_check(commands)
    add_folder_tools(commands)
    return root


def run_synthetic(arguments: argparse.Namespace) -> None:
    """`synthetic`: write the world."""
    grades = tuple(arguments.grades.split(","))
    amounts = Amounts(arguments.train, arguments.validation, arguments.test, grades)
    keys = [key for key in arguments.tasks.split(",") if key]
    tasks, drills = [key for key in keys if key not in DRILLS], [key for key in keys if key in DRILLS]
    write_world(arguments.out, arguments.seed, amounts, tasks, drills)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return its exit status: 0, 1 for data with faults, or 2 (and a line why) if nothing is done."""
    parsed = parser().parse_args(arguments)
    try:
        status: int | None = parsed.command(parsed)
    except (ContestError, ContestErrors, OSError, ValueError, sqlite3.Error) as error:
        print(f"data_prep: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("data_prep: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return status or 0


if __name__ == "__main__":
    start_program(main)
