"""Saves networks and state dicts, in one step and reproducibly."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn


def save_safetensors(
    weights: nn.Module | Mapping[str, Tensor], path: str | PathLike[str], dtype: torch.dtype | None = None
) -> None:
    """Save a network or a state dict as `.safetensors`; equal weights give equal bytes.

    Args:
        weights: the network or its state dict.
        path: the file, replaced in one step when all is written.
        dtype: what floating-point tensors become; None keeps theirs.

    Raises:
        OSError: the file can not be written.

    """
    with _replacing(Path(path)) as temporary:
        safetensors.torch.save_file(_own_tensors(weights, dtype), temporary, metadata={"format": "pt"})


def save_state_dict(
    weights: nn.Module | Mapping[str, Tensor], path: str | PathLike[str], dtype: torch.dtype | None = None
) -> None:
    """Save a network or a state dict in the published form, `pytorch_model.bin`. As `save_safetensors` otherwise."""
    with _replacing(Path(path)) as temporary, temporary.open("wb") as file:
        torch.save(OrderedDict(_own_tensors(weights, dtype)), file)


def _own_tensors(weights: nn.Module | Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Return CPU tensors each of which fills a storage of its own, as files store whole storages."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    own: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in state.items():
        tensor = value.detach().to(device="cpu", dtype=dtype if value.is_floating_point() else None).contiguous()
        storage = tensor.untyped_storage()
        if storage.nbytes() != tensor.nbytes or storage.data_ptr() in storages:
            tensor = tensor.clone()
        storages.add(tensor.untyped_storage().data_ptr())
        own[name] = tensor
    return own


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a new file beside `path`, which takes the place of `path` if all goes well, else is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors makes its files private; a weights file is as readable as any new file
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (safetensors.SafetensorError, RuntimeError) as error:  # what these libraries make of a full disk
        raise OSError(f"{path}: can not be written ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)
