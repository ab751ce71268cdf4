"""The networks of a weights folder, loaded whole, finite and fitting each other before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from abilities.painters import Painter, load_painter
from models.rrdbnet import RRDBNet, load_rrdbnet
from models.ruclip import RuCLIP

RUCLIP_FOLDER = "ruclip"


def enlarger_folder(weights: Path, scale: int) -> Path:
    """Where the upscaler of a scale lies."""
    return weights / f"rrdbnet_x{scale}"


@dataclass(frozen=True)
class DreamNetworks:
    """ruDALL-E's pipeline: who draws, who chooses, and who enlarges (None: nobody)."""

    painter: Painter
    clip: RuCLIP
    enlarger: RRDBNet | None


def load_dreaming(weights: Path, device: torch.device, dtype: torch.dtype, scale: int) -> DreamNetworks:
    """Load ruDALL-E, its picture tokenizer, ruCLIP, and unless the scale is 1 the upscaler. Raises `ModelFileError`."""
    painter = load_painter("dalle", weights, device, dtype)
    clip = RuCLIP.from_directory(weights / RUCLIP_FOLDER, device)
    enlarger = None if scale == 1 else load_rrdbnet(enlarger_folder(weights, scale), device)
    return DreamNetworks(painter, clip, enlarger)
