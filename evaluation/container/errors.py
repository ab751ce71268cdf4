"""What keeps the runner from running, as typed errors; but for the last, none is the submission's fault."""

from __future__ import annotations

from evaluation.errors import EvaluationError


class HostProblem(EvaluationError):  # noqa: N818 - says whose problem it is
    """The organisers' machine can not run the submission: its engine, its image store, its disk."""


class BadLimits(EvaluationError):  # noqa: N818
    """A limits file can not be used."""


class BadAttempts(EvaluationError):  # noqa: N818
    """A register of attempts can not be used, or does not allow what was asked."""


class ImageTooLarge(Exception):  # noqa: N818
    """The image that a submission names is larger than the contest allows: the submission's fault."""
