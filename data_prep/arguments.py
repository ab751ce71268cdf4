"""What the commands' lines share: what options take, in plain words, and how commands end. Knows no command."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from contest.console import say

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DEFAULT_LEFT_LIMIT = 384
GOES_ON = "stopped; the same command goes on from here"
STATUSES = """
exit status:
  0  done; what is left out by rule is counted and told
  1  done, but broken records were skipped (--strict refuses the first one), or `check` found an error
  2  nothing was done, and a line says why
  130, 143  stopped by Ctrl-C or SIGTERM
"""
MOST = 10**18  # of any count: more is a slip of the finger, and many things in Python end at 2**63
MOST_DIGITS = 40  # of any number: Python converts no more than 4,300


def whole(text: str) -> int:
    """A whole number that any count may be. Raises ArgumentTypeError."""
    number = seed(text)
    if abs(number) > MOST:
        raise argparse.ArgumentTypeError(f"must be at most {MOST}")
    return number


def seed(text: str) -> int:
    """A whole number of any size that people write. Raises ArgumentTypeError."""
    try:
        if len(text) > MOST_DIGITS:
            raise ValueError("too long")
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text[:MOST_DIGITS]!r}") from error


def number(text: str) -> float:
    """A number. Raises ArgumentTypeError."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text[:MOST_DIGITS]!r}") from error


def share(text: str) -> float:
    """A number from 0 to 1. Raises ArgumentTypeError."""
    found = number(text)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1], got {text[:MOST_DIGITS]}")
    return found


def subcommand(commands: Commands, name: str, text: str, more: str = "") -> argparse.ArgumentParser:
    """Add a command, whose help ends with `more` and the exit statuses."""
    return commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"{more}{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_left_limit(command: argparse.ArgumentParser) -> None:
    """Add `--left-limit`, which has an effect with `--bpe` alone."""
    command.add_argument(
        "--left-limit",
        type=whole,
        metavar="TOKENS",
        help=f"of a left text, measured with --bpe (default: {DEFAULT_LEFT_LIMIT})",
    )


def left_limit(arguments: argparse.Namespace) -> int:
    """The limit of a left text in tokens; one that has no effect is told."""
    if arguments.left_limit is None:
        return DEFAULT_LEFT_LIMIT
    if arguments.bpe is None:
        say("data_prep: --left-limit has no effect without --bpe")
    return int(arguments.left_limit)
