"""How large a ruDALL-E is: counted on the meta device, where twelve billion parameters take no memory.

What drawing and ranking need beside the weights, `models.rudolph.memory_plan` counts: `drawing` and `ranking` take this
configuration as they take RUDOLPH's.
"""

from __future__ import annotations

import torch

from models.dalle.config import Config
from models.dalle.network import Dalle


def _on_meta(config: Config) -> Dalle:
    with torch.device("meta"):
        return Dalle(config)


def parameter_count(config: Config) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in _on_meta(config).parameters())


def weight_bytes(config: Config, dtype: torch.dtype) -> int:
    """Bytes of the network's parameters and masks, the parameters in this precision."""
    model = _on_meta(config)
    tensors = [*model.parameters(), *model.buffers()]
    return sum(
        tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize) for tensor in tensors
    )
