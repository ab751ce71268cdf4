"""The weights folder to networks that fit each other. Knows nothing of samples; downloads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from models.bpe import BPE
from models.ruclip import RuCLIP
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.packed import pack_linears
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN, load_vqgan
from models.weights import file_sha256, find_weights

BPE_FILE = "bpe.model"
RUDOLPH_FOLDER = "rudolph"
VQGAN_FOLDER = "vqgan"


class WeightsFolderError(ValueError):
    """The parts of a weights folder do not belong together; says which numbers differ."""


@dataclass(frozen=True)
class Networks:
    """What a run computes with: RUDOLPH in the chosen precision, the VQGAN in float32, the vocabulary, and the ruCLIP
    that ranks draws, if one is asked for."""

    folder: Path
    device: torch.device
    dtype: torch.dtype
    rudolph: Rudolph
    vqgan: VQGAN
    vocabulary: Vocabulary
    ruclip: RuCLIP | None = None

    @property
    def side(self) -> int:
        """Height and width in pixels of the pictures that the VQGAN encodes."""
        return self.vqgan.factor * self.rudolph.config.image_tokens_per_dim

    @cached_property
    def rudolph_in_bfloat16(self) -> Rudolph:
        """The same RUDOLPH with the range of float32, for samples that overflow in float16. Loaded when first used."""
        return _load_packed(self.folder / RUDOLPH_FOLDER, self.device, torch.bfloat16)


def load_networks(folder: Path, device: torch.device, dtype: torch.dtype, ruclip: Path | None = None) -> Networks:
    """Load `bpe.model`, `rudolph/` and `vqgan/` of a weights folder, and a ruCLIP from the folder `ruclip`.

    Raises ValueError (ConfigError, WeightsError, VQGANConfigError, BPEFormatError, RuCLIPError, WeightsFolderError) or
    OSError.
    """
    tokenizer = BPE(folder / BPE_FILE)
    rudolph = _load_packed(folder / RUDOLPH_FOLDER, device, dtype)
    vqgan = load_vqgan(folder / VQGAN_FOLDER, device)
    config = rudolph.config
    if tokenizer.vocab_size != config.bpe_vocab:
        raise WeightsFolderError(
            f"{folder}: {BPE_FILE} has {tokenizer.vocab_size} pieces, but RUDOLPH's vocabulary has {config.bpe_vocab} "
            "(vocab_size less l_text_seq_length); take both from the same training"
        )
    if vqgan.n_embed != config.image_vocab_size:
        raise WeightsFolderError(
            f"{folder}: the VQGAN has {vqgan.n_embed} codes, but RUDOLPH's image_vocab_size is "
            f"{config.image_vocab_size}; take both from the same training"
        )
    clip = None if ruclip is None else RuCLIP.from_directory(ruclip, device)
    return Networks(folder, device, dtype, rudolph, vqgan, Vocabulary(tokenizer, config), clip)


def _load_packed(folder: Path, device: torch.device, dtype: torch.dtype) -> Rudolph:
    """RUDOLPH with its linear layers as a processor's kernels read them; on a GPU they stay as they are."""
    rudolph = load_rudolph(folder, device, dtype)
    pack_linears(rudolph.transformer)
    return rudolph


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that the networks come from, by its path below the folder. Raises as `load_networks`."""
    paths = [folder / BPE_FILE]
    for name in (RUDOLPH_FOLDER, VQGAN_FOLDER):
        paths += [folder / name / "config.json", find_weights(folder / name)]
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
