"""Whether weights are numbers: looks for NaN and infinities, a part of a tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike

import torch
from torch import Tensor, nn

from models.weights.errors import WeightsError
from models.weights.reading import read_state_dict

VALUES_AT_ONCE = 1 << 22
"""Of the mapped file: what is looked at takes no more memory than these, however large the tensor."""


def not_finite(
    path: str | PathLike[str], *, ignore: tuple[str, ...] = (), tick: Callable[[], object] = lambda: None
) -> Iterator[str]:
    """Yield the names of a file's tensors that hold NaN or an infinity, with how many. Raises as `read_state_dict`.

    `tick` is called before each part that is looked at; what it raises ends the search.
    """
    for name, tensor in read_state_dict(path, ignore=ignore).items():
        count = sum(_count(part, tick) for part in _parts(tensor)) if _may_be(tensor) else 0
        if count:
            yield f"{name} ({count} of {tensor.numel()} values)"


def _may_be(tensor: Tensor) -> bool:
    return tensor.numel() > 0 and tensor.is_floating_point() and not tensor.is_meta


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """Yield views of a tensor that together are all of it, none of more than VALUES_AT_ONCE."""
    if tensor.is_contiguous():
        yield from tensor.view(-1).split(VALUES_AT_ONCE)
    elif tensor.numel() <= VALUES_AT_ONCE:
        yield tensor
    else:  # to flatten it would copy it
        for row in tensor.unbind(0):
            yield from _parts(row)


def _count(part: Tensor, tick: Callable[[], object]) -> int:
    tick()
    # Kinds of 8 bits know fewer operations than float32 does.
    values = part.to(torch.float32) if part.itemsize == 1 else part
    return int((~torch.isfinite(values)).sum())


def require_finite(module: nn.Module, path: str | PathLike[str]) -> None:
    """Raise `WeightsError` for a loaded network that holds NaN or an infinity, naming the first tensor that does."""
    for name, tensor in module.state_dict().items():
        if _may_be(tensor) and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: the tensor {name} holds NaN or Infinity", "take weights that are whole")
