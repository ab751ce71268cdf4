"""Calls several others, each of which may fail to write: that is said, and the training goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tqdm import tqdm

from contest.console import printable, say
from contest.errors import ContestError
from errors import UserError, reason_of

T = TypeVar("T")


class CallbackError(UserError):
    """Something of a run could not be written down; the message says what and why."""


class SafeCallbacks(Generic[T]):
    """Members that are called one after the other. One that could not start is called no more."""

    def __init__(self, members: Sequence[T]) -> None:
        self._members = list(members)
        self._failures: dict[int, tuple[str, list[str]]] = {}

    def start(self, what: Callable[[T], None]) -> None:
        """Call all at the beginning; who fails is left out from now on."""
        self.call(what)
        self._members = [member for member in self._members if id(member) not in self._failures]

    def call(self, what: Callable[[T], None]) -> None:
        """Call all; the first failure of each is said on standard error."""
        for member in self._members:
            try:
                what(member)
            except (OSError, ContestError, CallbackError) as error:
                name, reason = type(member).__name__, reason_of(error)
                if id(member) not in self._failures:
                    tqdm.write(printable(f"training tune: {name}: {reason}; the training goes on"), file=sys.stderr)
                self._failures.setdefault(id(member), (name, []))[1].append(reason)

    def report(self) -> None:
        """Say once more what was not written."""
        for name, errors in self._failures.values():
            times = "once" if len(errors) == 1 else f"{len(errors)} times"
            say(f"training tune: {name} failed {times}: {errors[0]}")
