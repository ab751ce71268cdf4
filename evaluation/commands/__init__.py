"""The commands of the evaluation, one a file: options, order of work, and what is printed. Here: how they end."""

from __future__ import annotations

from contest.errors import ContestError, ContestFileError
from evaluation.errors import EvaluationError
from evaluation.metrics.errors import AttemptAborted, NothingToScore, WordNetError

NOT_DONE, INTERRUPTED = 2, 130
TELLABLE = (ContestError, ContestFileError, EvaluationError, WordNetError, AttemptAborted, NothingToScore, OSError)
"""What stops a command with a message of its own."""
