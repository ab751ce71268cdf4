"""pymorphy's analyser, with what it parses on the way to one word remembered.

It takes known prefixes off a word in every way there is and parses what is left each time, so that `недо` n times
(`недо`, or `не` and `до`) costs 2^n parses: one such word in an answer would keep the scorer for hours. A parse depends
on the word alone, so remembering it changes nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pymorphy3

MAX_REMEMBERED = 1 << 12


class RememberingAnalyzer(pymorphy3.MorphAnalyzer):
    """Takes pymorphy's own arguments. Loads its dictionary, which takes a third of a second."""

    def __init__(self, **arguments: Any) -> None:
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED)(super().parse)
        super().__init__(**arguments)

    def parse(self, word: str) -> list[Any]:
        """Return the word's parses, as pymorphy does; the list is the caller's own."""
        return list(self._remembered(word))
