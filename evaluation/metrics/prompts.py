"""What a generation sample asks to be drawn, found among its texts."""

from __future__ import annotations

from collections.abc import Sequence

from contest.drawing import description
from contest.items import Sample


def official_prompt(asked: Sample, before: str | None) -> str | None:
    """Return the text that the organisers' script takes: from a fixed place, or `before`, that of the sample before.

    Of two items the second, whatever its type; of a single one what follows its first ". "; else the script's
    variable keeps its value (None: it has none yet).
    """
    if len(asked.items) == 2:
        return asked.items[1].content
    if len(asked.items) == 1:
        return asked.items[0].content.partition(". ")[2]
    return before


def strict_prompt(texts: Sequence[str]) -> str:
    """Return the texts without the instruction, which may stand apart, be merged or be absent, joined by a space.

    Where nothing but instructions is there, they are what is asked for.
    """
    return description(texts)
