"""Command lines of what is done with task folders: check, merge, shards."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import whole
from contest.console import counted, show
from contest.writing import write_json
from data_prep.arguments import GOES_ON, add_measuring, add_output, left_limit, say_passed_over

if TYPE_CHECKING:
    from data_prep.reading_folders import TaskFolder


def add_check(command: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page with samples to look at")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    add_measuring(command)
    command.set_defaults(run=run_check, when_stopped="not everything was checked", keeps=("html", "json"))


def add_merge(command: argparse.ArgumentParser) -> None:
    """Add the options of `merge`."""
    command.add_argument(
        "directories",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="task folders, or folders of them; without any, the shares in --output are merged into it",
    )
    add_output(command)
    again = "the same command begins again from the first folder"
    command.set_defaults(run=run_merge, when_stopped=again, keeps=("output",))


def add_shards(command: argparse.ArgumentParser) -> None:
    """Add the options of `shards`."""
    command.add_argument("directory", type=Path, metavar="DIR", help="a task folder, or a folder of them")
    add_output(command, "where the shards go")
    command.add_argument("--rows", type=whole(least=1), default=20_000, metavar="N", help="samples of a shard")
    command.add_argument(
        "--pictures-beside", action="store_true", help="link the folder of pictures instead of packing their bytes"
    )
    command.set_defaults(run=run_shards, when_stopped=GOES_ON, keeps=("output",))


def run_merge(options: argparse.Namespace) -> int:
    """Merge folders, or shares, and say what came of it; status 1 if the shares skipped broken records."""
    if not options.directories:
        return _merge_shares(options.output)
    from data_prep.merging import merge
    from data_prep.reading_folders import find_folders

    for directory in options.directories:
        _say_passed_over(directory, find_folders(directory))
    for name, count in merge(options.directories, options.output).items():
        show(f"{name}: {counted(count, 'sample')}")
    return 0


def _merge_shares(output: Path) -> int:
    from data_prep.shares import WORLD, merge_shares, share_folders, shares_folder
    from data_prep.source_commands import say_counts
    from data_prep.synthetic.shares import merge_world

    folders = share_folders(output)
    if shares_folder(output, WORLD) in folders:
        show(f"{WORLD}: {counted(merge_world(output), 'picture')}")
    merged = merge_shares(output)
    for source, counts in merged.items():
        show(f"{source}:")
        say_counts(counts)
    show(f"merged into {output}; not needed any more: {', '.join(map(str, folders))}")
    return int(any(counts.faults for counts in merged.values()))


def run_shards(options: argparse.Namespace) -> int:
    """Write shards and say how many."""
    from data_prep.reading_folders import find_folders
    from data_prep.sharding import write_shards

    _say_passed_over(options.directory, find_folders(options.directory))
    written = write_shards(options.directory, options.output, options.rows, not options.pictures_beside)
    for name, count in written.items():
        show(f"{name}: {counted(count, 'shard')}")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Check folders, print the table, and return the exit status: 1 if a rule was broken that is no mere warning."""
    from data_prep.check.checking import check
    from data_prep.check.page import write_page
    from data_prep.check.table import table, to_json
    from data_prep.reading_folders import find_folders
    from models.bpe import BPE

    bpe = None if options.bpe is None else BPE(options.bpe)
    _say_passed_over(options.directory, find_folders(options.directory))
    report = check(options.directory, bpe, left_limit(options))
    if options.json is not None:
        write_json(options.json, to_json(report), indent=1)
    if options.html is not None:
        write_page(report, options.html)
    show(table(report))
    if options.html is not None:
        show(f"\npage: {options.html}")
    return 1 if report.errors else 0


def _say_passed_over(directory: Path, folders: Iterable[TaskFolder]) -> None:
    from data_prep.reading_folders import passed_over

    say_passed_over(directory, passed_over(directory, folders), "samples, answers and sources of task folders")
