"""Command line: `python -m training tune --config FILE [key=value ...]`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from contest.command_line import DONE, WITH_FAULTS
from contest.console import say, show
from errors import reason_of
from training.tune.arguments import add_settings_arguments, overrides_of
from training.tune.settings import TuneSettings
from training.tune.settings_keys import settings_help


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes; its help lists all settings."""
    add_settings_arguments(parser)
    parser.epilog = f"{settings_help()}\n\n{parser.epilog}"
    parser.set_defaults(run=run, keeps=("kept",), kept=None)


def run(options: argparse.Namespace) -> int:
    """Train as the settings say; status 1 for a run that broke off.

    Raises `UserError` for settings, data, weights and checkpoints that can not be used.
    """
    import torch

    from training.tune.distributed import first_process, lost_connection
    from training.tune.emissions import measure_emissions
    from training.tune.loop import train
    from training.tune.settings_file import read_settings

    settings = read_settings(options.config, overrides_of(options))
    options.kept = settings.output
    try:
        with measure_emissions(settings) as co2:
            trained = train(settings, [] if co2 is None else [co2])
    except torch.OutOfMemoryError as error:
        kept = " The last checkpoint is intact;" if _has_checkpoint(settings) else ""
        say(
            f"training tune: {str(error).splitlines()[0]}{kept} a larger compute.accumulate, "
            "compute.activation_checkpointing=true, compute.parallel=fsdp or lora.rank need less memory"
        )
        return WITH_FAULTS
    except MemoryError:
        less = "fewer samples a batch, a larger compute.accumulate or fewer data.workers need less"
        say(f"training tune: the memory is full; {less}")
        return WITH_FAULTS
    except FloatingPointError as error:
        say(f"training tune: {error}{_kept(settings)}")
        return WITH_FAULTS
    except OSError as error:
        say(f"training tune: {reason_of(error)}{_kept(settings)}")
        return WITH_FAULTS
    except RuntimeError as error:
        if (lost := lost_connection(error)) is None:
            raise
        say(f"training tune: {lost}{_kept(settings)}")
        return WITH_FAULTS
    if first_process():
        _print_end(settings, trained)
    return DONE


def _has_checkpoint(settings: TuneSettings) -> bool:
    from training.tune.checkpoints import CheckpointError, last_checkpoint

    try:
        return last_checkpoint(Path(settings.output)) is not None
    except CheckpointError:
        return False


def _kept(settings: TuneSettings) -> str:
    return "; the last checkpoint is intact" if _has_checkpoint(settings) else ""


def _print_end(settings: TuneSettings, trained: Path) -> None:
    """Say where everything lies, and what one does with it."""
    from training.tune.checkpoints import FOLDER

    output, weights = settings.output, settings.weights_directory
    show(f"trained weights: {trained}")
    show(f"checkpoints: {Path(output) / FOLDER}; log, plots and answers to read: {output}")
    parts = shlex.join(map(str, (weights / "bpe.model", weights / "vqgan", output)))
    show(
        f"next: cp -r {parts} makes {output} a weights directory, for "
        f"python -m submission run --weights {shlex.quote(str(output))} --input DIR --output DIR"
    )
