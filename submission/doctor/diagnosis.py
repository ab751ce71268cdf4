"""What the doctor says of one thing: its value, whether a run can live with it, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Health = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at. `remedy` is empty where nothing is to be done.

    Raises ValueError for a warning or an error without a remedy: who reads it wants to know what to do.
    """

    name: str
    value: str
    health: Health = "ok"
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.health == "ok") == bool(self.remedy):
            raise ValueError(f"{self.name}: a remedy belongs to a warning or an error, and to nothing else")

    def __str__(self) -> str:
        return f"{self.health:<8} {self.name}: {self.value}{f'; {self.remedy}' if self.remedy else ''}"


def gigabytes(count: float) -> str:
    """Return a number of bytes as a person reads it."""
    return f"{count / 10**9:.1f} GB"
