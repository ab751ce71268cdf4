"""The scores of a result that `evaluation score --json` wrote, as far as a model card shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from errors import UserError, reason_of

Number = Annotated[float, Field(allow_inf_nan=False)]


class ScoredResultError(UserError):
    """A file that is no result of a scoring; names it."""


@dataclass(frozen=True)
class CardScore:
    """What one task got; `comparable` is False where a substitute took the place of the contest's network."""

    score: Number
    n: int
    signature: str
    comparable: bool
    interval: tuple[Number, Number] | None = None


@dataclass(frozen=True)
class Scores:
    """A result: of its tasks by key, and S (None where tasks are missing)."""

    mode: str
    tasks: dict[str, CardScore]
    integral: Number | None = None
    integral_interval: tuple[Number, Number] | None = None


def read_scores(path: Path) -> Scores:
    """Read a result. Raises ScoredResultError."""
    remedy = "give a file that `evaluation score --json` wrote"
    try:
        return TypeAdapter(Scores).validate_json(path.read_bytes())
    except OSError as error:
        raise ScoredResultError(f"can not be read: {reason_of(error)}", remedy, where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ScoredResultError(f"no result: {place}: {first['msg']}", remedy, where=str(path)) from error
