"""Command line: `python -m training tune --config FILE [key=value ...]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from contest.errors import ContestError, ContestErrors
from training.tune.distributed import first_process
from training.tune.emissions import measured
from training.tune.loop import train
from training.tune.settings import read_settings


def main(argv: Sequence[str]) -> int:
    """Train as the settings say; exit code 2 for what the user has to mend, 1 for a run that broke off."""
    parser = argparse.ArgumentParser(prog="python -m training tune", description="Fine-tune RUDOLPH.")
    parser.add_argument("--config", type=Path, required=True, help="settings file (YAML)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change, e.g. steps=100")
    arguments = parser.parse_args(argv)
    try:
        settings = read_settings(arguments.config, arguments.overrides)
        with measured(settings) as co2:
            trained = train(settings, [] if co2 is None else [co2])
    except (ContestError, ContestErrors, ValueError) as error:  # settings, data, weights: each names its place
        print(f"tune: {error}", file=sys.stderr)
        return 2
    except torch.OutOfMemoryError as error:
        print(
            f"tune: {str(error).splitlines()[0]} The last checkpoint is intact; a larger accumulate, "
            "activation_checkpointing=true, parallel=fsdp or lora.rank need less memory",
            file=sys.stderr,
        )
        return 1
    except (FloatingPointError, OSError) as error:
        print(f"tune: {error}; the last checkpoint is intact", file=sys.stderr)
        return 1
    if first_process():
        print(f"trained weights: {trained}")
    return 0
