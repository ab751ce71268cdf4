"""Command line: `python -m training bpe --data DIR --output FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, whole
from contest.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="task folders, at any depth")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the model file that is written")
    parser.add_argument("--vocab", type=whole(least=1), default=1024, metavar="N", help="number of ids")
    parser.set_defaults(run=run, keeps=("output",))


def run(options: argparse.Namespace) -> int:
    """Train the tokenizer and write its file."""
    from training.bpe import texts_of_tasks, train_bpe

    train_bpe(texts_of_tasks(options.data), options.output, options.vocab)
    show(f"tokenizer: {options.output}; with vqgan/ in a weights directory, `python -m training tune` takes it")
    return DONE
