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
SAFETENSORS_FOLDER, SAFETENSORS_FILE = "rudolph", "model.safetensors"
PUBLISHED_FOLDER, PUBLISHED_FILE = "rudolph_published", "pytorch_model.bin"


def export(out: Path, config: Config, weights: Mapping[str, Tensor]) -> Path:
    """Write `rudolph/model.safetensors` and `rudolph_published/pytorch_model.bin`, each with its configuration.

    Returns the first folder. Raises OSError, naming `out`.
    """
    folders = out / SAFETENSORS_FOLDER, out / PUBLISHED_FOLDER
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            config.save(folder / "config.json")
        save_safetensors(weights, folders[0] / SAFETENSORS_FILE, DTYPE)
        save_state_dict(weights, folders[1] / PUBLISHED_FILE, DTYPE)
    except OSError as error:
        raise OSError(f"{out}: the trained weights can not be written ({reason_of(error)})") from error
    return folders[0]
