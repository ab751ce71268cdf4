"""The trained RUDOLPH, in the forms that others read: safetensors, and the published state dict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from errors import reason_of
from models.rudolph import Config
from models.weights import save_safetensors, save_state_dict

DTYPE = torch.float16  # as the published weights


def export(out: Path, config: Config, weights: Mapping[str, Tensor]) -> Path:
    """Write `rudolph/model.safetensors` and `rudolph_published/pytorch_model.bin`, each with its configuration.

    Returns the first folder. Raises OSError, naming `out`.
    """
    folders = out / "rudolph", out / "rudolph_published"
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            config.save(folder / "config.json")
        save_safetensors(weights, folders[0] / "model.safetensors", DTYPE)
        save_state_dict(weights, folders[1] / "pytorch_model.bin", DTYPE)
    except OSError as error:
        raise OSError(f"{out}: the trained weights can not be written ({reason_of(error)})") from error
    return folders[0]
