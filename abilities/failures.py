"""What the memory or the networks' own numbers make impossible, said with the options that help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Run: TypeAlias = Callable[[argparse.Namespace], int]


class PrecisionError(UserError):
    """The chosen precision has too little room for the network, or its weights are not finite."""


class FullMemoryError(UserError):
    """The memory is too small for what was asked."""


class NotFiniteError(ArithmeticError):
    """What a network says of something is no finite number."""


def require_finite(values: Tensor, what: str) -> None:
    """Raise `NotFiniteError` unless all of a network's scores, of any shape, are finite; `what` names them."""
    if not bool(values.isfinite().all()):
        raise NotFiniteError(f"{what} are not finite")


def explained(run: Run) -> Run:
    """Have a command say in one line what its numbers or the memory made impossible.

    Raises PrecisionError, FullMemoryError, and whatever else the command does.
    """

    @wraps(run)
    def explaining(options: argparse.Namespace) -> int:
        try:
            return run(options)
        except (ArithmeticError, MemoryError, RuntimeError) as error:
            explanation = _explanation(error, options)
            if explanation is None:
                raise
            raise explanation from error

    return explaining


def _explanation(error: Exception, options: argparse.Namespace) -> UserError | None:
    from models.rudolph.decoding import NonFiniteLogitsError
    from models.rudolph.free_memory import is_out_of_memory

    if isinstance(error, NonFiniteLogitsError | NotFiniteError):
        what = str(error) if isinstance(error, NotFiniteError) else f"{error.values} logits were not finite"
        if options.dtype == "float16":
            return PrecisionError(f"{what} in float16", "use --dtype bfloat16 or float32")
        remedy = f"no other precision helps: take other weights than {options.weights}, or get them again"
        return PrecisionError(f"{what} in {options.dtype}: the weights themselves are at fault", remedy)
    if is_out_of_memory(error):
        other = "" if options.dtype != "float32" else ", or --dtype bfloat16"
        return FullMemoryError(f"the memory is full (--device {options.device})", _less(options.batch) + other)
    return None


def _less(batch: int) -> str:
    return f"use a --batch below {batch}" if batch > 1 else "use a smaller network, or a device with more memory"
