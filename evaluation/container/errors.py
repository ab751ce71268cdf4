"""What keeps the runner from running, as typed errors; but for the last, none is the submission's fault."""

from __future__ import annotations

from evaluation.errors import EvaluationError


class HostError(EvaluationError):
    """The organisers' machine can not run the submission: its engine, its image store, its disk."""


class HostBusyError(HostError):
    """Other runs have what this one needs."""


class LimitsFileError(EvaluationError):
    """A limits file can not be used."""


class AttemptsError(EvaluationError):
    """A register of attempts can not be used, or does not allow what was asked."""


class ImageTooLargeError(Exception):
    """The image that a submission names is larger than the contest allows: the submission's fault."""
