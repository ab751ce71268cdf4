"""A ruDALL-E from its folder: `config.json` and one weights file of any published form. Strict, memory-mapped."""

from __future__ import annotations

from pathlib import Path

import torch

from models.dalle.config import Config, read_config
from models.dalle.network import Dalle
from models.rudolph.loading import load_decoder
from models.weights import find_weights


def load_dalle(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32) -> Dalle:
    """Load the ruDALL-E of a folder, ready for inference.

    Raises `ConfigError` for its configuration, `WeightsError` for its weights (tensors are named).
    """
    return load_dalle_file(find_weights(folder), read_config(folder / "config.json"), device, dtype)


def load_dalle_file(
    path: Path, config: Config, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> Dalle:
    """Load a ruDALL-E of this configuration from a weights file. Raises as `load_dalle`.

    On the meta device nothing is allocated: names and shapes are compared, which tells whether a file is the network's.
    """
    with torch.device("meta"):
        model = Dalle(config)
    return load_decoder(model, path, device, dtype)
