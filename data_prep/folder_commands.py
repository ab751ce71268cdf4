"""Command lines of what is done with task folders: check, merge, shards. Knows what each one calls.

What a command needs is imported when it is run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from contest.console import show
from contest.writing import write_json
from data_prep.arguments import GOES_ON, Commands, add_left_limit, left_limit, subcommand, whole
from data_prep.telling import counted, tell_passed_over

if TYPE_CHECKING:
    from data_prep.reading_folders import TaskFolder


def add_check(commands: Commands) -> None:
    """Add the subcommand that checks task folders."""
    text = "check task folders: the format, pictures, answers, options, leaks between training and validation"
    command = subcommand(commands, "check", text)
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page with samples to look at")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    command.add_argument("--bpe", type=Path, metavar="FILE", help="measure texts in tokens of this bpe.model")
    add_left_limit(command)
    command.set_defaults(command=run_check, stopped="stopped before everything was checked")


def add_folder_tools(commands: Commands) -> None:
    """Add the subcommands that make other folders of task folders."""
    text = "make one set of task folders of several, such as those of SberQuAD and MuSeRC"
    command = subcommand(commands, "merge", text)
    command.add_argument("directories", type=Path, nargs="+", metavar="DIR", help="task folders, or folders of them")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the task folders go")
    command.set_defaults(command=run_merge, stopped="stopped; the same command begins again from the first folder")
    text = "pack task folders into Parquet shards, for more samples than one JSON file should have"
    command = subcommand(commands, "shards", text)
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the shards go")
    command.add_argument("--rows", type=whole, default=20_000, help="samples of a shard (default: %(default)s)")
    command.add_argument(
        "--pictures-beside", action="store_true", help="link the folder of pictures instead of packing their bytes"
    )
    command.set_defaults(command=run_shards, stopped=GOES_ON)


def run_merge(arguments: argparse.Namespace) -> int:
    """Merge folders and say what came of it."""
    from data_prep.merging import merge
    from data_prep.reading_folders import find_folders

    for directory in arguments.directories:
        _tell_passed_over(directory, find_folders(directory))
    for name, count in merge(arguments.directories, arguments.out).items():
        show(f"{name}: {counted(count, 'sample')}")
    return 0


def run_shards(arguments: argparse.Namespace) -> int:
    """Write shards and say how many."""
    from data_prep.reading_folders import find_folders
    from data_prep.sharding import write_shards

    _tell_passed_over(arguments.directory, find_folders(arguments.directory))
    written = write_shards(arguments.directory, arguments.out, arguments.rows, not arguments.pictures_beside)
    for name, count in written.items():
        show(f"{name}: {counted(count, 'shard')}")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Check folders, print the table, and return the exit status: 1 if a rule was broken that is no mere warning."""
    from data_prep.check.checking import check
    from data_prep.check.page import write_page
    from data_prep.check.table import table, to_json
    from data_prep.reading_folders import find_folders
    from models.bpe import BPE

    bpe = None if arguments.bpe is None else BPE(arguments.bpe)
    _tell_passed_over(arguments.directory, find_folders(arguments.directory))
    report = check(arguments.directory, bpe, left_limit(arguments))
    if arguments.json is not None:
        write_json(arguments.json, to_json(report))
    if arguments.html is not None:
        write_page(report, arguments.html)
    show(table(report))
    if arguments.html is not None:
        show(f"\npage: {arguments.html}")
    return 1 if report.errors else 0


def _tell_passed_over(directory: Path, folders: Iterable[TaskFolder]) -> None:
    from data_prep.reading_folders import passed_over

    tell_passed_over(directory, passed_over(directory, folders), "samples, answers and sources of task folders")
