"""What overflows in float16 is computed in bfloat16 instead, row by row; what no precision helps says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch

from models.rudolph import Rudolph
from models.rudolph.decoding import NonFiniteLogitsError
from submission.loading import Networks

Asked = TypeVar("Asked")
Result = TypeVar("Result")


class UndefinedLogitsError(ArithmeticError):
    """Logits that are infinite or undefined in a precision that has room for them; says why, where that is known."""


class Rescued(NamedTuple):
    """How many rows were computed in bfloat16 instead, and how many of their logits were not finite."""

    rows: int = 0
    logits: int = 0


def compute_rescuing(
    networks: Networks, compute: Callable[[Rudolph, Sequence[Asked]], list[Result]], queries: Sequence[Asked]
) -> tuple[list[Result], Rescued]:
    """Compute in the chosen precision; in float16, rows that overflow are computed in bfloat16 instead.

    Raises UndefinedLogitsError for what is not finite in another precision.
    """
    if not queries:
        return [], Rescued()
    try:
        return compute(networks.rudolph, queries), Rescued()
    except NonFiniteLogitsError as error:
        if networks.dtype != torch.float16:
            raise _undefined(networks, error) from error
        overflowing, not_finite = sorted(error.rows), error.values
    others = [row for row in range(len(queries)) if row not in overflowing]
    sound, before = compute_rescuing(networks, compute, [queries[row] for row in others])
    try:
        rescued = compute(networks.rudolph_in_bfloat16, [queries[row] for row in overflowing])
    except NonFiniteLogitsError as error:
        raise _undefined(networks, error) from error
    results = dict(zip([*others, *overflowing], [*sound, *rescued], strict=True))
    counts = Rescued(before.rows + len(overflowing), before.logits + not_finite)
    return [results[row] for row in range(len(queries))], counts


def _undefined(networks: Networks, error: NonFiniteLogitsError) -> UndefinedLogitsError:
    """Say why no precision helps: the weights themselves, where they are the cause."""
    tensors = networks.not_finite
    if not tensors:
        return UndefinedLogitsError(str(error))
    more = f" and in {len(tensors) - 1} other tensors" if len(tensors) > 1 else ""
    return UndefinedLogitsError(f"the weights are at fault: {tensors[0]}{more}; take weights that are whole")
