"""Command line of training: `python -m training COMMAND ...`. Knows only which module runs each command."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from contest.console import say, show, start_program
from training.stopping import Stopped, stoppable

COMMANDS = {  # name -> module with main(argv) -> exit code
    "bpe": "training.bpe",
    "encode": "training.tune.encode_command",
    "co2-report": "training.co2_report.command",
    "plots": "training.tune.callbacks.plots_command",
    "ruclip": "training.ruclip",
    "tiny": "training.tiny",
    "tune": "training.tune.command",
    "vqgan": "training.vqgan",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the arguments after the command's name to its module; exit code 2 if there is no such command.

    128 and the signal's number for one that was stopped: 130 by Ctrl-C, 143 by SIGTERM.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        tell = show if asked_for_help else say
        tell(f"usage: python -m training {{{','.join(COMMANDS)}}} ...")
        return 0 if asked_for_help else 2
    try:
        with stoppable():
            exit_code: int = importlib.import_module(COMMANDS[arguments[0]]).main(arguments[1:])
            return exit_code
    except Stopped as stopped:
        say(f"{arguments[0]}: stopped")
        return stopped.status


if __name__ == "__main__":
    start_program(main)
