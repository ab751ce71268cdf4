"""Pictures as RUDOLPH sees them: itself, its words, and the codes of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from abilities.gallery import read_square
from abilities.painters import BPE_FILE, RUDOLPH_FOLDER
from models.bpe import BPE
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN, load_vqgan

# Left text, right text, and left text where texts are ranked: what weights were trained with.
SPECIALS = {"fine-tuned": ("<LT_CAP>", "<RT_CAP>", "<LT_GEN>"), "pre-trained": ("<LT_I2T>", "<RT_I2T>", "<LT_T2I>")}


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


def load_viewer(weights: Path, device: torch.device, dtype: torch.dtype) -> Viewer:
    """Load RUDOLPH and the VQGAN of a weights folder. Raises `ModelFileError`."""
    model = load_rudolph(weights / RUDOLPH_FOLDER, device, dtype)
    return Viewer(model, Vocabulary(BPE(weights / BPE_FILE), model.config), load_vqgan(weights / "vqgan", device))
