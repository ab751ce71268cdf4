"""Command line: `python -m training merge --config FILE [key=value ...]` makes one cache of an encoding's shares."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE
from contest.console import note
from training.tune.arguments import add_settings_arguments, overrides_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: what `encode` was given."""
    add_settings_arguments(parser)
    parser.set_defaults(run=run, when_stopped="start it again: the shares are as they were", keeps=("kept",), kept=None)


def run(options: argparse.Namespace) -> int:
    """Merge the caches, and encode what none of them has."""
    import torch

    from training.tune.data.loading import SPLITS, open_encoder, read_tasks
    from training.tune.data.shares import merge_shares
    from training.tune.initial_weights import starting_config
    from training.tune.settings_file import read_settings

    settings = read_settings(options.config, overrides_of(options))
    torch.set_num_threads(settings.compute.threads)
    weights = settings.weights_directory
    config = starting_config(settings.model, weights)
    encoder = open_encoder(settings.data, weights, config, settings.compute.device)
    options.kept = encoder.folder
    count = merge_shares(encoder)
    for split in SPLITS:  # pictures that came or changed since have no codes yet
        read_tasks(Path(settings.data.folder), settings.tasks, encoder, split)
    note(f"merged: {count} shares into {encoder.folder}; the folders share-* there are not needed any more")
    return DONE
