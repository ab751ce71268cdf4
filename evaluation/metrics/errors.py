"""What stops a metric, as typed errors. Imports nothing heavy, so that a program can name them before it starts."""

from __future__ import annotations

from typing import Any


class AttemptAborted(Exception):  # noqa: N818 - the organisers' word for what happens
    """The organisers' scripts raise on these predictions, which makes the whole attempt invalid (mode `official`).

    Attributes:
        sample_id: the sample they stop at; None where no single one is to blame.
        defect: the number of the difference between code and rules that struck.

    """

    def __init__(self, message: str, *, sample_id: str | None = None, defect: int | None = None) -> None:
        self.message, self.sample_id, self.defect = message, sample_id, defect
        super().__init__(message, sample_id, defect)

    def __str__(self) -> str:
        where = "" if self.sample_id is None else f"sample {self.sample_id!r}: "
        return f"{where}{self.message}; the organisers' scripts stop here, score in mode strict to go on"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_aborted, (self.message, self.sample_id, self.defect)


class NothingToScore(ValueError):  # noqa: N818 - reads better than an Error more
    """A mean over no samples was asked for."""


class WordNetError(ValueError):
    """A wordnet file is missing or is no RuWordNet database. Says which, and what to do."""


def _rebuild_aborted(message: str, sample_id: str | None, defect: int | None) -> AttemptAborted:
    return AttemptAborted(message, sample_id=sample_id, defect=defect)
