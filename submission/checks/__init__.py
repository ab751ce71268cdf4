"""Checks of a submission before it is uploaded: one small function a check, all of them in `ALL_CHECKS`."""

from submission.checks import contents, entry, predictions, secret, weights
from submission.checks.archive import ARCHIVE_CHECKS
from submission.checks.base import Check, CheckFinding, Subject

ALL_CHECKS: tuple[Check, ...] = (
    *ARCHIVE_CHECKS,
    # Those that a module makes, in the order in which they stand in it.
    *(
        value
        for module in (entry, secret, contents, weights, predictions)
        for value in vars(module).values()
        if isinstance(value, Check)
    ),
)

__all__ = ["ALL_CHECKS", "Check", "CheckFinding", "Subject"]
