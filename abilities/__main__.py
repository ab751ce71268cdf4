"""Command line of the abilities: `python -m abilities COMMAND ...`."""

from __future__ import annotations

from functools import partial

from contest.command_line import Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="abilities",
    description="What RUDOLPH and ruDALL-E can do: pictures of texts, and words for pictures.",
    commands={
        "dream": Command(
            "abilities.dream_command", "draw a text by ruDALL-E, keep what fits it best, and enlarge that"
        ),
        "draw": Command(
            "abilities.draw_command", "draw a text, from nothing or around a part of a picture", "add_draw_arguments"
        ),
        "complete": Command(
            "abilities.draw_command",
            "draw the rest of a picture whose borders or unmasked parts are kept",
            "add_complete_arguments",
        ),
        "reconstruct": Command(
            "abilities.reconstruct_command", "encode pictures and decode their codes, for `evaluation reconstruction`"
        ),
        "rank": Command("abilities.rank_command", "rank pictures by a text, or texts by a picture, by RUDOLPH"),
        "write": Command("abilities.write_command", "go on with a text, by RUDOLPH"),
        "caption": Command("abilities.caption_command", "say what pictures show, by RUDOLPH"),
        "classify": Command(
            "abilities.classify_command", "choose a class for each picture, by RUDOLPH, untrained for it"
        ),
    },
)

main = partial(run_program, PROGRAM)
"""Runs a command line (that of the process, if none is given) and returns the exit status."""

if __name__ == "__main__":
    start_program(main)
