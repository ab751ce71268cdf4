"""The base of every error that a user can mend: what was wrong, where, what to do, and a code that stays the same.

The ground under all rooms: command lines show these errors in one line, and let every other exception keep its
traceback, because that is a fault of the program.
"""

from __future__ import annotations

import os
import re
from copyreg import __newobj__  # type: ignore[attr-defined]
from enum import Enum
from typing import Any


class ErrorCode(Enum):
    """Kinds of error: a member's name is the stable code, its value is (meaning, usual remedy). Subclass it."""

    @property
    def meaning(self) -> str:
        """What went wrong, in general."""
        meaning: str = self.value[0]
        return meaning

    @property
    def remedy(self) -> str:
        """What usually helps."""
        remedy: str = self.value[1]
        return remedy


class UserError(Exception):
    """Something that the user can mend.

    Args:
        message: what was wrong here, in particular.
        remedy: what to do about it; empty where the message says all.
        where: the file, sample or item concerned; empty where the message names it.

    """

    def __init__(self, message: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__(message, remedy, where)
        self._message, self._remedy, self._where = message, remedy, where

    @property
    def code_name(self) -> str:
        """The stable name of this kind of error, made of the class's: `SettingsError` has `SETTINGS`."""
        return _code_of(type(self).__name__)

    @property
    def message(self) -> str:
        """What was wrong here."""
        return self._message

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return self._remedy

    @property
    def where(self) -> str:
        """The file, sample or item concerned."""
        return self._where

    @property
    def reason(self) -> str:
        """All but the remedy: `where: message`."""
        return f"{self.where}: {self.message}" if self.where else self.message

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from positional arguments when they cross processes; ours has a keyword.
        return __newobj__, (type(self), *self.args), self.__dict__


def reason_of(error: BaseException) -> str:
    """Return what an error says to people: of the system's errors the file and the reason, and no numbers."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str | bytes | os.PathLike):
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return bare_reason(error)


def bare_reason(error: BaseException) -> str:
    """Return what an error says to people beside a file that is named already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def described(error: UserError | OSError) -> str:
    """Return an error as a command line shows it: `[CODE] where: message; remedy`."""
    if isinstance(error, OSError):
        return f"[{code_of(error)}] {reason_of(error)}"
    text = str(error)
    return text if text.startswith("[") else f"[{error.code_name}] {text}"


def code_of(error: BaseException) -> str:
    """Return the stable name of an error's kind: a user error's own, and of any other the one made of its class's."""
    return error.code_name if isinstance(error, UserError) else _code_of(type(error).__name__)


def _code_of(name: str) -> str:
    """`WeightsMismatchError` -> `WEIGHTS_MISMATCH`; `VQGANConfigError` -> `VQGAN_CONFIG`; `OSError` -> `OS`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.removesuffix("Error")).upper()
