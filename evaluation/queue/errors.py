"""What keeps a queue from its work, as typed errors."""

from __future__ import annotations

from evaluation.errors import EvaluationError


class QueueError(EvaluationError):
    """A spool folder, or a host that takes from it, can not be used as asked."""
