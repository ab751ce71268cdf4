"""What the columns of Parquet shards, and the members of a WebDataset, are to a training: found by name, made text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from training.tune.data.records import TrainingDataError

ALTERNATIVES, INSIDE = ";", "/"
LISTED = 20


class SampleError(Exception):
    """What is wrong with one sample; caught, and named with all others of its set."""


def candidates(setting: str | None) -> list[list[str]]:
    """Return the names that a setting allows, each as a path: `json/caption;txt` is caption in json, or else txt."""
    names = [] if setting is None else [name.strip() for name in setting.split(ALTERNATIVES)]
    return [name.split(INSIDE) for name in names if name]


def first_of(setting: str | None, values: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the name and the value of the first candidate that is there.

    Raises `SampleError` if none is, naming all.
    """
    for path in candidates(setting):
        value: Any = values
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            return INSIDE.join(path), value
    raise SampleError(f"has no {setting}")


def text_of(name: str, value: Any) -> str:
    """Return a value as text. Raises `SampleError` for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):  # what pandas writes where a number is missing
            raise SampleError(f"{name} is {value}")
        return str(value)
    if not isinstance(value, str):
        raise SampleError(f"{name} is no text")
    if any("\ud800" <= character <= "\udfff" for character in value):  # JSON may write one as \ud800
        raise SampleError(f"{name} is no text: it holds half a surrogate pair")
    if not value.strip():
        raise SampleError(f"{name} is empty")
    return value


def texts_of(name: str, value: Any) -> tuple[str, ...]:
    """Return a text, or a list of texts, as texts. Raises `SampleError` for what is neither."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise SampleError(f"{name} is an empty list")
    return tuple(text_of(name, one) for one in values)


class Problems:
    """Collects what is wrong with the samples of a set, so that all is named at once."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[str] = []

    def add(self, place: str, problem: SampleError) -> None:
        """Add one; `place` is the shard and the sample."""
        self._count += 1
        if self._count <= LISTED:
            self._first.append(f"{place}: {problem}")

    def raise_if_any(self) -> None:
        """Raise `TrainingDataError` if there are some."""
        remedy = "repair the shard, or set the task's `columns` to what it holds"
        if self._count == 1:
            raise TrainingDataError(self._first[0], remedy)
        if self._count:
            more = [f"and {self._count - LISTED} more"] if self._count > LISTED else []
            listed = "\n".join(f"  {line}" for line in (*self._first, *more))
            raise TrainingDataError(f"{self._count} samples can not be used:\n{listed}\n ", remedy)
