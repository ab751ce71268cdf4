"""Pictures as RUDOLPH sees them: itself, its words, and the codes of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from abilities.gallery import read_square
from abilities.painters import load_fitting_vqgan
from models.bpe import BPE
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN
from models.weights_folder import BPE_FILE, RUDOLPH_FOLDER, require_fit


@dataclass(frozen=True)
class Viewer:
    """RUDOLPH, its vocabulary, and what encodes pictures for it."""

    model: Rudolph
    vocabulary: Vocabulary
    vqgan: VQGAN

    @torch.inference_mode()
    def codes(self, path: Path) -> Tensor:
        """Codes of a picture's centre square: int64 `[I]`. Raises ContestError for what is no picture."""
        side = self.model.config.image_tokens_per_dim * self.vqgan.factor
        pixels = read_square(path, side).to(self.vqgan.post_quant_conv.weight.device)
        return self.vqgan.encode(pixels[None])[0].cpu()


def load_writer(folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Rudolph, Vocabulary]:
    """Load RUDOLPH of a weights folder and its words alone. Raises `ModelFileError`."""
    tokenizer = BPE(folder / BPE_FILE)
    model = load_rudolph(folder / RUDOLPH_FOLDER, device, dtype)
    require_fit(folder, model.config, tokenizer, None)
    return model, Vocabulary(tokenizer, model.config)


def load_viewer(folder: Path, device: torch.device, dtype: torch.dtype) -> Viewer:
    """Load RUDOLPH and the VQGAN of a weights folder. Raises `ModelFileError`."""
    tokenizer = BPE(folder / BPE_FILE)
    model = load_rudolph(folder / RUDOLPH_FOLDER, device, dtype)
    vqgan = load_fitting_vqgan(folder, model.config, tokenizer, device)
    return Viewer(model, Vocabulary(tokenizer, model.config), vqgan)
