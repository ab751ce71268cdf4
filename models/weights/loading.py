"""Gives a network the weights of a file: strictly, memory-mapped, tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from models.weights.errors import WeightsMismatchError
from models.weights.reading import read_state_dict


def load_weights(
    module: nn.Module,
    path: str | PathLike[str],
    *,
    device: torch.device | str,
    dtype: torch.dtype | None = None,
    ignore: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> nn.Module:
    """Give `module`, built on the meta device, the weights of a file, without a second copy in memory.

    Tensor by tensor the mapped file is converted and moved. What needs neither is used as it lies in the file.

    Args:
        module: the network; each parameter and buffer is replaced.
        path: the file or index, in any form that `read_state_dict` reads.
        device: where the tensors go.
        dtype: what floating-point tensors become; None keeps the file's.
        ignore: names or beginnings of names in the file to leave out.
        optional: names or beginnings of names that the file may lack; the caller rebuilds those.

    Returns:
        `module` itself.

    Raises:
        WeightsMismatchError: tensors are missing, unexpected, or of another shape or kind; `module` is unchanged.
        WeightsFormatError, OSError: as in `read_state_dict`.

    """
    path = Path(path)
    state = read_state_dict(path, ignore=ignore)
    _check_fit(module, path, state, optional)
    for name in list(state):
        # Popping drops the last reference to a tensor that was converted, so that its memory goes back.
        tensor = state.pop(name)
        tensor = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
        owner_name, _, leaf = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        old = getattr(owner, leaf)
        if isinstance(old, nn.Parameter):
            setattr(owner, leaf, nn.Parameter(tensor, requires_grad=old.requires_grad))
        else:
            setattr(owner, leaf, tensor)
    for owner in module.modules():
        for leaf, buffer in owner.named_buffers(recurse=False):
            if not buffer.is_meta:  # a buffer that is no part of the state dict, or an optional one
                setattr(owner, leaf, buffer.to(device=device))
    return module


def _check_fit(module: nn.Module, path: Path, state: Mapping[str, Tensor], optional: tuple[str, ...]) -> None:
    expected = module.state_dict()
    missing = [name for name in expected if name not in state]
    # A buffer outside the state dict that is still on the meta device would never get a value.
    missing += [name for name, buffer in module.named_buffers() if buffer.is_meta and name not in expected]
    mismatched = []
    for name, tensor in state.items():
        if name not in expected:
            continue
        wanted = expected[name]
        if wanted.shape != tensor.shape:
            mismatched.append(f"{name}: shape {list(wanted.shape)} expected, {list(tensor.shape)} found")
        elif wanted.is_floating_point() != tensor.is_floating_point():
            mismatched.append(f"{name}: {wanted.dtype} expected, {tensor.dtype} found")
    missing = [name for name in missing if not name.startswith(optional)]
    unexpected = [name for name in state if name not in expected]
    if missing or unexpected or mismatched:
        raise WeightsMismatchError(path, tuple(missing), tuple(unexpected), tuple(mismatched))
