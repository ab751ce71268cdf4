"""Options that several commands share."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contest.command_line import UsageError, whole
from contest.tasks import TASKS
from evaluation.metrics.cases import MODES, STAGES
from evaluation.settings import FID_FEATURES, RESAMPLES, SEED

if TYPE_CHECKING:  # with numpy, for which no `--help` waits
    from evaluation.statistics import Resampling


def day(text: str) -> date:
    """Read a day, YYYY-MM-DD; the calendar's first and last, which begin or end outside of it elsewhere, are none."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not date.min < found < date.max:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-29, not {text[:40]!r}")
    return found


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add what is scored or reported, and what the report shows in addition."""
    add = parser.add_argument
    add(
        "--predictions",
        type=Path,
        required=True,
        metavar="FILE",
        help="predictions.json, in the folder of its pictures",
    )
    truth = "ground_truth.json, in its pictures' folder"
    add("--ground-truth", type=Path, required=True, metavar="FILE", help=truth)
    add("--input", type=Path, metavar="DIR", help="folder with input.json; needed by tasks with pictures or captions")
    add("--other", type=Path, metavar="RESULT", help="in the report: an earlier result to show the differences to")
    add("--other-predictions", type=Path, metavar="FILE", help="in the report: the predictions of --other")
    show = "in the report: eco2AI's CSV file of the training or the submission; may be repeated"
    add("--with-emissions", type=Path, action="append", default=[], metavar="FILE", help=show)


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add how predictions are scored."""
    add = parser.add_argument
    add("--mode", choices=MODES, default="official", help="official: as their scripts do; strict: by their rules")
    stage = (
        "in mode official, full: their splitting of the files first, which stops at malformed answers; evaluate: not"
    )
    add("--stage", choices=STAGES, default="full", help=stage)
    add("--wordnet", type=Path, metavar="FILE", help="RuWordNet's SQLite file; without it no word has synonyms")
    folder = "folder with the networks of the metrics; without it, that of the variable FBC2_ASSETS"
    add("--assets", type=Path, metavar="DIR", help=folder)
    network = "network that FID is taken with; ruclip is a substitute, and marked as one"
    add("--fid-features", choices=FID_FEATURES, default=FID_FEATURES[0], help=network)


def require_stage(options: argparse.Namespace) -> None:
    """Raise UsageError for a stage of the organisers' pipeline in mode strict, which has none."""
    if options.mode == "strict" and options.stage != STAGES[0]:
        raise UsageError("--stage is of mode official: by the rules nothing is split", "leave out one of the two")


def add_board(parser: argparse.ArgumentParser) -> None:
    """Add the leaderboard's file."""
    parser.add_argument("--db", type=Path, required=True, metavar="FILE", help="the leaderboard's SQLite file")


def add_resampling(parser: argparse.ArgumentParser) -> None:
    """Add how differences are tested, and how the intervals that need resamples are made."""
    number = "random swaps behind a p-value, and resamples behind the intervals of fbc1 that no formula has"
    parser.add_argument("--resamples", type=whole(least=1), default=RESAMPLES, metavar="N", help=number)
    parser.add_argument("--seed", type=whole(least=0), default=SEED, metavar="N", help="seed of what is drawn for them")


def resampling_of(options: argparse.Namespace) -> Resampling:
    """Return what the options say about tests and intervals."""
    from evaluation.statistics import Resampling

    return Resampling(options.resamples, seed=options.seed)


def add_result(parser: argparse.ArgumentParser) -> None:
    """Add the result that a command is about; it was an option once."""
    parser.add_argument("result", type=Path, nargs="?", metavar="RESULT", help="what `evaluation score --json` wrote")
    add_old(parser, "--result", dest="old_result", type=Path)


def result_path(options: argparse.Namespace) -> Path:
    """Return the path of the result that a command is about. Raises UsageError if none is named."""
    path: Path | None = options.result or options.old_result
    if path is None:
        raise UsageError("no result is named", "name the file that `evaluation score --json` wrote")
    return path


def add_old(parser: Any, name: str, **options: Any) -> None:
    """Add an option under the name that it had before: it is read, and not shown."""
    parser.add_argument(name, help=argparse.SUPPRESS, **options)


def task_keys(text: str) -> tuple[str, ...]:
    """Read keys of tasks between commas, each once."""
    known = [task.key for task in TASKS]
    keys = tuple(dict.fromkeys(text.split(",")))
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no task {unknown[0][:40]!r}; the tasks are {', '.join(known)}")
    return keys
