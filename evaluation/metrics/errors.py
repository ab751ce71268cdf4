"""What stops a metric, as typed errors. Imports nothing heavy, so that a program can name them before it starts."""

from __future__ import annotations

from errors import UserError

SPLITTING_DEFECT = 24
"""The number of the difference that the organisers' splitting of the files makes."""
TRUTH_DEFECT = 26
"""The number of the difference that a malformed ground truth makes: the scorer's own file, which `strict` refuses."""


class AttemptAbortedError(UserError):
    """The organisers' scripts raise on these predictions, which makes the whole attempt invalid (mode `official`).

    Attributes:
        sample_id: the sample they stop at; None where no single one is to blame.
        defect: the number of the difference between code and rules that struck.

    """

    def __init__(self, message: str, *, sample_id: str | None = None, defect: int | None = None) -> None:
        where = "" if sample_id is None else f"sample {sample_id!r}"
        if defect == TRUTH_DEFECT:
            remedy = "the organisers' scripts stop here, correct the ground truth"
        else:
            go_on = "in mode strict" if defect != SPLITTING_DEFECT else "with --stage evaluate, or in mode strict,"
            remedy = f"the organisers' scripts stop here, score {go_on} to go on"
        super().__init__(message, remedy, where=where)
        self.sample_id, self.defect = sample_id, defect


class NothingToScoreError(UserError):
    """A mean over no samples was asked for."""


class WordNetError(UserError):
    """A wordnet file is missing or is no RuWordNet database."""
