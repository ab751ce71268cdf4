"""Command line: `python -m training encode --config FILE [key=value ...]` makes the cache of a training beforehand."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from contest.command_line import DONE, WITH_FAULTS
from contest.console import note, say, show
from contest.shares import add_shard, choose_share
from errors import reason_of
from training.tune.arguments import add_settings_arguments, overrides_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: what `tune` does, and a share."""
    add_settings_arguments(parser)
    add_shard(parser)
    parser.set_defaults(run=run, when_stopped="what is encoded is kept", keeps=("kept",), kept=None)


def run(options: argparse.Namespace) -> int:
    """Read the task folders and encode their pictures; status 1 where that broke off.

    What is done is kept: started again, it goes on where it was.
    """
    import torch

    from training.tune.data.loading import SPLITS, open_encoder, read_tasks, require_vqgan
    from training.tune.data.shares import doing_share, end_share
    from training.tune.initial_weights import starting_config
    from training.tune.settings_file import read_settings

    settings = read_settings(options.config, overrides_of(options))
    torch.set_num_threads(settings.compute.threads)
    weights, data = settings.weights_directory, settings.data
    try:
        config = starting_config(settings.model, weights)
        require_vqgan(settings.tasks, weights, config)
        share = choose_share(options.shard, os.environ)
        encoder = open_encoder(data, weights, config, settings.compute.device, share)
        options.kept = encoder.folder
        with doing_share(encoder) as record:
            opened = {}
            for split in SPLITS:
                for task, examples in read_tasks(Path(data.folder), settings.tasks, encoder, split).items():
                    show(f"{task} {split}: {len(examples)} samples")
                    opened[f"{task} {split}"] = examples.table
            if record is not None:
                end_share(record, encoder, opened)
    except OSError as error:
        say(f"training encode: {reason_of(error)}; what is encoded is kept")
        return WITH_FAULTS
    if not share.is_whole:
        note(f"{share} is done, in {encoder.folder}; when all are: `python -m training merge` with the same settings")
        return DONE
    note(f"codes: {encoder.folder}; `python -m training tune` takes them from there")
    return DONE
