"""Command line of the abilities: `python -m abilities COMMAND ...`."""

from __future__ import annotations

from collections.abc import Sequence

from contest.command_line import Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="abilities",
    description="What RUDOLPH and ruDALL-E can do: pictures of texts, and words for pictures.",
    commands={
        "dream": Command(
            "abilities.dream_command", "draw a text by ruDALL-E, keep what fits it best, and enlarge that", is_long=True
        ),
        "draw": Command(
            "abilities.draw_command",
            "draw a text, from nothing or around a part of a picture",
            "add_draw_arguments",
            is_long=True,
        ),
        "complete": Command(
            "abilities.draw_command",
            "draw the rest of a picture whose borders or unmasked parts are kept",
            "add_complete_arguments",
            is_long=True,
        ),
        "reconstruct": Command(
            "abilities.reconstruct_command",
            "encode pictures and decode their codes, for `evaluation reconstruction`",
            is_long=True,
        ),
        "rank": Command(
            "abilities.rank_command", "rank pictures by a text, or texts by a picture, by RUDOLPH", is_long=True
        ),
        "write": Command("abilities.write_command", "go on with a text, by RUDOLPH", is_long=True),
        "caption": Command("abilities.caption_command", "say what pictures show, by RUDOLPH", is_long=True),
        "classify": Command(
            "abilities.classify_command", "choose a class for each picture, by RUDOLPH, untrained for it", is_long=True
        ),
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_program(PROGRAM, arguments)


if __name__ == "__main__":
    start_program(main)
