"""Checks of a submission before it is uploaded: one small class a check, all of them in `ALL_CHECKS`."""

from submission.checks.archive import ARCHIVE_CHECKS
from submission.checks.base import Check, CheckFinding, Subject
from submission.checks.contents import CONTENT_CHECKS
from submission.checks.entry import ENTRY_CHECKS
from submission.checks.predictions import PREDICTION_CHECKS
from submission.checks.secret import SECRET_CHECKS
from submission.checks.weights import WEIGHTS_CHECKS

ALL_CHECKS: tuple[Check, ...] = (
    *ARCHIVE_CHECKS,
    *ENTRY_CHECKS,
    *SECRET_CHECKS,
    *CONTENT_CHECKS,
    *WEIGHTS_CHECKS,
    *PREDICTION_CHECKS,
)

__all__ = ["ALL_CHECKS", "Check", "CheckFinding", "Subject"]
