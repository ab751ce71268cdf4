"""What stops a metric of the first challenge."""

from __future__ import annotations

from errors import UserError


class UnscorableError(UserError):
    """The published scripts of 2021 end with an exception on this input, or could only have been run by chance.

    Attributes:
        theirs: the exception that ends their script, such as `AssertionError`.

    """

    def __init__(self, message: str, remedy: str = "", *, where: str = "", theirs: str) -> None:
        super().__init__(message, remedy, where=where)
        self.theirs = theirs


class GrammarMissingError(UserError):
    """The parser that CodeBLEU needs is not installed."""
