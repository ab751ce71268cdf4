"""`submission merge`: one result of the shares that `run --shard` did on several machines."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.console import counted
from contest.limits import IMAGES_DIR, INPUT_DIR, OUTPUT_DIR, PREDICTIONS_NAME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `merge`."""
    parser.description = (
        "Check that all shares of a run are there, done, and of one input, configuration, weights and code, and write "
        "what one run over all samples would have written."
    )
    add = parser.add_argument
    add("--input", type=Path, metavar="DIR", default=Path(INPUT_DIR), help="what the shares were given as --input")
    add("--output", type=Path, metavar="DIR", default=Path(OUTPUT_DIR), help="what the shares were given as --output")
    parser.set_defaults(run=run, when_stopped="the shares are as they were: start it again", keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Merge, say what came of it, and return the exit status that one run would have had."""
    from submission.merging import merge
    from submission.progress import say

    report = merge(options.input, options.output)
    report.print_summary(options.output)
    shown = f"{counted(len(report.answers), 'answer')} and {counted(len(report.pictured), 'picture')}"
    files = f"{PREDICTIONS_NAME}, {IMAGES_DIR}/, run.json"
    say(f"merged: {shown} drawn, in {options.output} ({files}); the folders share-* there are not needed any more")
    return report.exit_status
