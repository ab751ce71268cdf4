"""Command line of training: `python -m training COMMAND ...`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from contest.children import end_with_parent
from contest.command_line import Command, Program, run_program
from contest.console import start_program
from training.allocator import keep_freed_memory

PROGRAM = Program(
    name="training",
    description="Fine-tune RUDOLPH, look at what a run did and cost, and make the bundled weights.",
    commands={
        "tune": Command("training.tune.command", "fine-tune RUDOLPH, or train one from random weights"),
        "encode": Command("training.tune.encode_command", "encode the pictures of a training beforehand"),
        "merge": Command("training.tune.merge_command", "put the shares of an encoding together, done with --shard"),
        "plots": Command("training.tune.callbacks.plots_command", "draw a run's plots anew from its log", quiet=False),
        "co2-report": Command("training.co2_report.command", "report what a run cost in energy and CO2", quiet=False),
        "push": Command(
            "training.push.command", "put a trained RUDOLPH on the hub, or show what would be put there", quiet=False
        ),
        "bpe": Command("training.bpe_command", "train a tokenizer on task folders"),
        "vqgan": Command("training.vqgan_command", "train the tiny picture tokenizer on the synthetic world"),
        "ruclip": Command("training.ruclip_command", "train the tiny ruCLIP on the synthetic world"),
        "malevich": Command("training.malevich_command", "train the tiny ruDALL-E on the synthetic world"),
        "upscaler": Command("training.upscaler_command", "train the tiny upscaler on the synthetic world"),
        "tiny": Command("training.tiny", "make all bundled tiny weights from nothing"),
    },
    old_options={"--out": "--output"},
    statuses={
        1: "the work broke off: what was done before is kept",
        138: "ended by SIGUSR1; tune: with a checkpoint, from which the same command goes on",
        143: "ended by SIGTERM; tune: likewise",
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; under torchrun, end when torchrun was killed."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent(os.getppid())
    return run_program(PROGRAM, arguments)


if __name__ == "__main__":
    keep_freed_memory()
    start_program(main)
