"""Options that several commands share, and the words for a value that makes no sense. Knows no command."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from contest.tasks import TASKS
from evaluation.statistics import Resampling


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add what is scored or reported, and what the report shows beside it."""
    add = parser.add_argument
    add("--predictions", type=Path, required=True, metavar="FILE", help="predictions.json, its pictures beside it")
    add("--ground-truth", type=Path, required=True, metavar="FILE", help="ground_truth.json, its pictures beside it")
    add("--input", type=Path, metavar="DIR", help="folder with input.json; needed by tasks with pictures or captions")
    add("--other", type=Path, metavar="RESULT", help="in the report: an earlier result to show the differences to")
    add("--other-predictions", type=Path, metavar="FILE", help="in the report: its predictions")
    show = "in the report: eco2AI's CSV file of the training or the submission; may be repeated"
    add("--show-emissions", type=Path, action="append", default=[], metavar="FILE", help=show)


def add_board(parser: argparse.ArgumentParser) -> None:
    """Add the leaderboard's file."""
    parser.add_argument("--db", type=Path, required=True, metavar="FILE", help="the leaderboard's SQLite file")


def add_resampling(parser: argparse.ArgumentParser) -> None:
    """Add how confidence intervals are made."""
    default = Resampling()
    add = parser.add_argument
    of_bootstrap = "resamples of the bootstrap (default: %(default)s)"
    add("--resamples", type=whole(least=1), default=default.resamples, metavar="N", help=of_bootstrap)
    seed = "seed of the bootstrap (default: %(default)s)"
    add("--bootstrap-seed", type=whole(least=0), default=default.seed, metavar="N", help=seed)


def resampling_of(options: argparse.Namespace) -> Resampling:
    """Return what the options say about confidence intervals."""
    return Resampling(options.resamples, seed=options.bootstrap_seed)


def whole(*, least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    """Return a reader of whole numbers between two bounds (by default those of SQLite)."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:  # no digits, or more of them than Python converts
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from {least} to {most}")
        return number

    return read


def number(*, least: float, most: float = math.inf) -> Callable[[str], float]:
    """Return a reader of finite numbers between two bounds."""
    bounds = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most):
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number {bounds}")
        return value

    return read


def task_keys(text: str) -> tuple[str, ...]:
    """Read keys of tasks between commas, each once."""
    known = [task.key for task in TASKS]
    keys = tuple(dict.fromkeys(text.split(",")))
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no task {unknown[0][:40]!r}; the tasks are {', '.join(known)}")
    return keys
