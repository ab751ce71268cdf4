"""Takes typed values out of JSON that a stranger may have written, and says in JSON's words what is wrong with it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from contest.checking import described, is_unicode
from contest.stand_ins import HEAD_BYTES, stand_in_of_data
from errors import UserError
from evaluation.errors import ResultFileError, shortened

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any, str], T]
"""Takes a JSON value and its name, and returns it typed. Raises WrongValueError."""


class WrongValueError(UserError):
    """A value of a JSON file is not what its place asks for; names both.

    The remedy is empty where only the file's reader knows it.
    """


def read_json(path: Path) -> Any:
    """Return what a JSON file holds. Raises OSError, WrongValueError for a file that is no JSON."""
    data = path.read_bytes()
    if (found := stand_in_of_data(data[:HEAD_BYTES])) is not None:
        raise WrongValueError(found.what, found.remedy)
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise WrongValueError("it is nested too deeply to be read") from error
    except ValueError as error:  # not UTF-8, not JSON, a number of more digits than Python converts
        what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not JSON"
        raise WrongValueError(f"it is {what}: {shortened(str(error), 200)}") from error


@contextmanager
def reading(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Raise ResultFileError for a file that can not be read, or is no `kind` (`result`); `remedy`: which file is."""
    try:
        yield
    except OSError as error:
        raise ResultFileError(f"{path} can not be read: {error.strerror}", "check the path") from error
    except WrongValueError as error:
        raise ResultFileError(f"{path} is no {kind}: {error.message}", error.remedy or remedy) from error


def entry(value: Mapping[str, Any], key: str, reader: Reader[T]) -> T:
    """Return an entry of an object. Raises WrongValueError, also where there is none."""
    if key not in value:
        raise WrongValueError(f'it has no "{key}"')
    return reader(value[key], f'"{key}"')


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise WrongValueError(f"{name} is {described(value)}, not an object")
    return value


def text(value: Any, name: str) -> str:
    """Return a string that can be written as UTF-8."""
    if not isinstance(value, str):
        raise WrongValueError(f"{name} is {described(value)}, not a string")
    if not is_unicode(value):
        raise WrongValueError(f"{name} holds half a surrogate pair")
    return value


def flag(value: Any, name: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise WrongValueError(f"{name} is {described(value)}, not true or false")
    return value


def number(value: Any, name: str) -> float:
    """Return a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValueError(f"{name} is {described(value)}, not a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        finite = False
    if not finite:
        raise WrongValueError(f"{name} is {described(value)}, not a finite number")
    return value


def whole(value: Any, name: str) -> int:
    """Return a whole number of at most 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise WrongValueError(f"{name} is {described(value)}, not a whole number of at most 64 bits")
    return value


def optional(reader: Reader[T]) -> Reader[T | None]:
    """Return a reader that also takes null."""
    return lambda value, name: None if value is None else reader(value, name)


def list_of(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return a reader of lists."""

    def read(value: Any, name: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise WrongValueError(f"{name} is {described(value)}, not a list")
        return tuple(reader(one, f"entry {place} of {name}") for place, one in enumerate(value))

    return read


def dict_of(reader: Reader[T]) -> Reader[dict[str, T]]:
    """Return a reader of objects whose values are all of one kind."""
    return lambda value, name: {
        text(key, f"a key of {name}"): reader(one, f"{shortened(key, 40)!r} of {name}")
        for key, one in mapping(value, name).items()
    }
