"""Command line: `python -m training tune --config FILE [key=value ...]`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch

from contest.console import say, show
from errors import UserError, reason_of
from training.tune.checkpoints import FOLDER, CheckpointError, last_checkpoint
from training.tune.distributed import first_process, lost_connection
from training.tune.emissions import measured
from training.tune.loop import train
from training.tune.settings import TuneSettings, read_settings


def main(argv: Sequence[str]) -> int:
    """Train as the settings say; exit code 2 for what the user has to mend, 1 for a run that broke off."""
    parser = argparse.ArgumentParser(prog="python -m training tune", description="Fine-tune RUDOLPH.")
    parser.add_argument("--config", type=Path, required=True, help="settings file (YAML)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change, e.g. steps=100")
    arguments = parser.parse_args(argv)
    settings = None
    try:
        settings = read_settings(arguments.config, arguments.overrides)
        with measured(settings) as co2:
            trained = train(settings, [] if co2 is None else [co2])
    except (UserError, ValueError) as error:  # settings, data, weights: each names its place
        say(f"tune: {error}")
        return 2
    except torch.OutOfMemoryError as error:
        kept = " The last checkpoint is intact;" if _has_checkpoint(settings) else ""
        say(
            f"tune: {str(error).splitlines()[0]}{kept} a larger accumulate, activation_checkpointing=true, "
            "parallel=fsdp or lora.rank need less memory"
        )
        return 1
    except MemoryError:
        say("tune: the memory is full; fewer samples a batch, a larger accumulate or fewer workers need less")
        return 1
    except FloatingPointError as error:
        say(f"tune: {error}{_kept(settings)}")
        return 1
    except OSError as error:
        say(f"tune: {reason_of(error)}{_kept(settings)}")
        return 1
    except RuntimeError as error:
        if not lost_connection(error):
            raise
        say("tune: another process of this run has ended; the reason is among what that one said")
        return 1
    if first_process():
        _tell_end(settings, trained)
    return 0


def _has_checkpoint(settings: TuneSettings | None) -> bool:
    try:
        return settings is not None and last_checkpoint(Path(settings.out)) is not None
    except CheckpointError:
        return False


def _kept(settings: TuneSettings | None) -> str:
    return "; the last checkpoint is intact" if _has_checkpoint(settings) else ""


def _tell_end(settings: TuneSettings, trained: Path) -> None:
    """Say where everything lies, and what one does with it."""
    out, weights = settings.out, Path(settings.weights)
    show(f"trained weights: {trained}")
    show(f"checkpoints: {Path(out) / FOLDER}; log, plots and answers to read: {out}")
    parts = shlex.join(map(str, (weights / "bpe.model", weights / "vqgan", out)))
    show(
        f"next: cp -r {parts} makes {out} a weights directory, for "
        f"python -m submission run --weights {shlex.quote(str(out))} --input DIR --output DIR"
    )
