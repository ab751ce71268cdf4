"""What the memory or the networks' own numbers make impossible, said with the options that help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from contest.console import counted_with
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
    """Have a command say in one line what its numbers or the memory made impossible; before it works, that of --json.

    Raises ContestError, PrecisionError, FullMemoryError, and whatever else the command does.
    """

    @wraps(run)
    def explaining(options: argparse.Namespace) -> int:
        _require_json_place(options)
        try:
            return run(options)
        except (ArithmeticError, MemoryError, RuntimeError) as error:
            explanation = _explanation(error, options)
            if explanation is None:
                raise
            raise explanation from error

    return explaining


def _require_json_place(options: argparse.Namespace) -> None:
    from contest.writing import require_writable

    output = getattr(options, "output", None)
    if options.json is None or (output is not None and options.json.absolute().parent == output.absolute()):
        return  # the command makes that folder itself
    require_writable(options.json)


def _explanation(error: Exception, options: argparse.Namespace) -> UserError | None:
    from models.rudolph.decoding import NonFiniteLogitsError
    from models.rudolph.free_memory import is_out_of_memory

    if isinstance(error, NonFiniteLogitsError | NotFiniteError):
        what = str(error)
        if isinstance(error, NonFiniteLogitsError):
            what = f"{counted_with(error.values, 'logit', 'was', 'were')} not finite"
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
