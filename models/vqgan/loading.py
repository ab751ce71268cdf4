"""A VQGAN from its folder: `config.json` (the constructor's keywords) and one weights file. Strict, memory-mapped."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from models.vqgan.network import VQGAN
from models.weights import find_weights, load_weights

# Published checkpoints carry the discriminator and the perceptual loss of their training.
TRAINING_ONLY = ("loss.",)


class VQGANConfigError(ValueError):
    """A configuration file that no VQGAN can have; says which file and what is wrong."""


def read_vqgan_config(path: Path) -> VQGAN:
    """Build, on the meta device, the VQGAN that a configuration file describes. Raises `VQGANConfigError`."""
    try:
        keywords = json.loads(path.read_text(encoding="utf-8"))
        with torch.device("meta"):
            return VQGAN(**keywords)
    except FileNotFoundError as error:
        raise VQGANConfigError(f"{path}: no such file; write the constructor's keywords there as JSON") from error
    except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: a negative width, or JSON nested too deeply
        raise VQGANConfigError(f"{path}: {error}") from error


def load_vqgan(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32) -> VQGAN:
    """Load the VQGAN of a folder, ready for inference.

    Raises `VQGANConfigError` for its configuration, `WeightsError` for its weights (tensors are named).
    """
    vqgan = read_vqgan_config(folder / "config.json")
    load_weights(vqgan, find_weights(folder), device=device, dtype=dtype, ignore=TRAINING_ONLY)
    return vqgan.eval()
