"""A VQGAN from its folder: `config.json` (the constructor's keywords) and one weights file. Strict, memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.files import ModelFileError, bounded_int, names_problem, read_json_object, shown
from models.vqgan.layers import VQGANConfigError
from models.vqgan.network import VQGAN
from models.weights import find_weights, load_weights

# Published checkpoints carry the discriminator and the perceptual loss of their training.
TRAINING_ONLY = ("loss.",)

# Bounds of whole numbers, least and most: several times the largest published.
_REQUIRED = {
    "ch": (1, 4096),
    "num_res_blocks": (1, 64),
    "resolution": (1, 65_536),
    "z_channels": (1, 16_384),
    "embed_dim": (1, 16_384),
    "n_embed": (1, 1_000_000),
}
_OPTIONAL = {"in_channels": (1, 64), "out_ch": (1, 64)}
_LISTS = {"ch_mult": (8, 1, 64), "attn_resolutions": (16, 1, 65_536)}  # length at most, least, most
_FLAGS = ("double_z", "wavelet")


def read_vqgan_config(path: Path) -> VQGAN:
    """Build, on the meta device, the VQGAN that a configuration file describes. Raises `VQGANConfigError`."""
    try:
        keywords = read_json_object(path)
    except ModelFileError as error:
        raise VQGANConfigError(error.reason, error.remedy) from error
    try:
        problem = _problem(keywords)
        if problem is not None:
            raise VQGANConfigError(problem)
        with torch.device("meta"):
            return VQGAN(**keywords)
    except VQGANConfigError as error:
        raise VQGANConfigError(f"{path}: {error.reason}", error.remedy) from error


def _problem(keywords: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the keywords of a configuration, each by itself; None if nothing is."""
    needed = (*_REQUIRED, *_LISTS)
    named = names_problem(keywords, needed, (*needed, *_OPTIONAL, *_FLAGS, "dropout"))
    if named is not None:
        return named
    for name, bounds in {**_REQUIRED, **_OPTIONAL}.items():
        problem = bounded_int(name, keywords[name], *bounds) if name in keywords else None
        if problem is not None:
            return problem
    for name, (length, least, most) in _LISTS.items():
        value = keywords[name]
        if not isinstance(value, list) or len(value) > length:
            return f"{name} must be a list of at most {length} whole numbers, not {shown(value)}"
        for entry in value:
            problem = bounded_int(f"an entry of {name}", entry, least, most)
            if problem is not None:
                return problem
    for name in _FLAGS:
        if not isinstance(keywords.get(name, False), bool):
            return f"{name} must be true or false, not {shown(keywords[name])}"
    dropout = keywords.get("dropout", 0.0)
    if not isinstance(dropout, int | float) or isinstance(dropout, bool) or not 0 <= dropout < 1:
        return f"dropout must be a number in [0, 1), not {shown(dropout)}"
    return None


def load_vqgan(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32) -> VQGAN:
    """Load the VQGAN of a folder, ready for inference.

    Raises `VQGANConfigError` for its configuration, `WeightsError` for its weights (tensors are named).
    """
    vqgan = read_vqgan_config(folder / "config.json")
    load_weights(vqgan, find_weights(folder), device=device, dtype=dtype, ignore=TRAINING_ONLY)
    return vqgan.eval()
