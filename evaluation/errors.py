"""What can go wrong between files and scores, as typed errors."""

from __future__ import annotations

from collections.abc import Iterable

from contest.console import one_line
from errors import UserError


class EvaluationError(UserError):
    """Something that stops the command: what was wrong, and what to do about it."""


class IdsDifferError(EvaluationError):
    """The scorer's own files (ids, ground truth, input) do not speak of the same samples."""


class NoSamplesError(EvaluationError):
    """The files hold nothing to score."""


class NeedsInputError(EvaluationError):
    """A task looks at the pictures or captions that were asked about, and no input was given."""


class NotANumberError(EvaluationError):
    """A metric gave NaN or infinity."""


class ResultFileError(EvaluationError):
    """A file is no result of `evaluation score`."""


class NotComparableError(EvaluationError):
    """Two scores do not measure the same, or not the same samples."""


class LeaderboardError(EvaluationError):
    """A file is no leaderboard, or can not be used as one."""


def some(names: Iterable[object], limit: int = 5) -> str:
    """Return the first few names of a collection on one line, and how many more there are."""
    listed: list[str] = []
    more = 0
    for name in names:
        if len(listed) < limit:
            listed.append(shortened(str(name)))
        else:
            more += 1
    return ", ".join(listed) + (f" and {more} more" if more else "")


def shortened(text: str, most: int = 80) -> str:
    """Return a text on one line, cut to a length that a message bears."""
    return one_line(text if len(text) <= most else f"{text[: most - 1]}…")
