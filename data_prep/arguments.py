"""What the commands' lines share: options, and words for numbers of things and for files that are not read."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import whole
from contest.console import counted, one_line, say

DEFAULT_LEFT_LIMIT = 384
GOES_ON = "the same command goes on from here"
NAMED = 3  # files that are not read


def add_output(command: argparse.ArgumentParser, what: str = "where the task folders go") -> None:
    """Add `--output`."""
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help=what)


def add_measuring(command: argparse.ArgumentParser) -> None:
    """Add `--bpe` and `--left-limit`, of which the second has an effect with the first alone."""
    command.add_argument("--bpe", type=Path, metavar="FILE", help="measure texts in tokens of this bpe.model")
    command.add_argument(
        "--left-limit",
        type=whole(least=1),
        metavar="TOKENS",
        help=f"of a left text, in tokens, measured with --bpe (default: {DEFAULT_LEFT_LIMIT})",
    )


def left_limit(options: argparse.Namespace) -> int:
    """Return the limit of a left text in tokens, and say so if it has no effect."""
    if options.left_limit is not None and options.bpe is None:
        say("data_prep: --left-limit has no effect without --bpe")
    return DEFAULT_LEFT_LIMIT if options.left_limit is None else int(options.left_limit)


def say_passed_over(directory: Path, files: list[Path], read: str) -> None:
    """Say which files of a folder are not read: how many, and the first names."""
    if files:
        names = ", ".join(one_line(str(file.relative_to(directory))) for file in files[:NAMED])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        say(f"data_prep: {directory}: passed over {counted(len(files), 'file')} ({names}{more}); read are {read}")
