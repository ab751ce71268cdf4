"""Command line: `python -m training encode --config FILE [key=value ...]` makes the cache of a training beforehand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from contest.console import say, show
from errors import UserError, reason_of
from training.tune.data.cache_folder import cache_folder
from training.tune.data.loading import SPLITS, demand_vqgan, read_tasks
from training.tune.initial_weights import starting_config
from training.tune.settings import read_settings


def main(argv: Sequence[str]) -> int:
    """Read the task folders and encode their pictures; exit code 2 for what the user has to mend, 1 for a broken run.

    What is done is kept: started again, it goes on where it was.
    """
    parser = argparse.ArgumentParser(
        prog="python -m training encode", description="Read task folders and encode their pictures before a training."
    )
    parser.add_argument("--config", type=Path, required=True, help="settings file of the training (YAML)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change, e.g. workers=8")
    arguments = parser.parse_args(argv)
    try:
        settings = read_settings(arguments.config, arguments.overrides)
        torch.set_num_threads(settings.threads)
        config = starting_config(settings)
        demand_vqgan(settings, config)
        for split in SPLITS:
            for task, examples in read_tasks(settings, config, split).items():
                show(f"{task} {split}: {len(examples)} samples")
    except (UserError, ValueError) as error:  # settings, data, weights: each names its place
        say(f"encode: {error}")
        return 2
    except OSError as error:
        say(f"encode: {reason_of(error)}; what is encoded is kept")
        return 1
    say(f"codes: {cache_folder(Path(settings.data), settings.cache)}; `python -m training tune` takes them from there")
    return 0
