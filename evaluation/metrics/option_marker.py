"""Option markers (`b)`) in answers: as the organisers' scripts find them, and as the rules ask. Knows no scores."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FIRST_LETTER = re.compile("[a-e]")
_MARKER = re.compile(r"[\s(\[\"'«]*([a-z])(?![^\W_])")


def replacement_letter(answer: str) -> str | None:
    """Return the first Latin lower-case letter from a to e anywhere in the answer, as the organisers do (defect 10).

    >>> replacement_letter("Tesla"), replacement_letter("B"), replacement_letter("f")
    ('e', None, None)
    """
    found = _FIRST_LETTER.search(answer)
    return found[0] if found else None


def leading_marker(answer: str) -> str | None:
    """Return the option marker at the start of an answer: one Latin letter of any case that stands alone.

    >>> leading_marker("B) на поезде"), leading_marker("(f)"), leading_marker("Tesla"), leading_marker("это b")
    ('b', 'f', None, None)
    """
    found = _MARKER.match(answer.lower())
    return found[1] if found else None


def right_marker(answer: str, reference_forms: Sequence[str]) -> str | None:
    """Return the marker at the start of an answer if some reference is just that letter, None otherwise."""
    marker = leading_marker(answer)
    return marker if marker is not None and marker in reference_forms else None
