"""The weights folder to networks that fit each other. Nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from models.bpe import BPE
from models.convolution import has_kernels
from models.ruclip import RuCLIP
from models.rudolph import Rudolph, load_rudolph
from models.rudolph.loading import bfloat16_products
from models.rudolph.packed import pack_linears, packable
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN, load_vqgan
from models.weights import file_sha256
from models.weights_folder import (
    BPE_FILE,
    RUDOLPH_FOLDER,
    VQGAN_FOLDER,
    folder_files,
    not_finite_tensors,
    notes,
    require_fit,
)


@dataclass(frozen=True)
class Networks:
    """What a run computes with: RUDOLPH in the chosen precision, the VQGAN in float32 (but see `prepared`), the
    vocabulary, and the ruCLIP that ranks draws, if one is asked for. `notes` say what is read otherwise than it stands
    in the files, `flaws` what can not come out right."""

    folder: Path
    device: torch.device
    dtype: torch.dtype
    rudolph: Rudolph
    vqgan: VQGAN
    vocabulary: Vocabulary
    ruclip: RuCLIP | None = None
    notes: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()

    @property
    def side(self) -> int:
        """Height and width in pixels of the pictures that the VQGAN encodes."""
        return self.vqgan.factor * self.rudolph.config.image_tokens_per_dim

    @cached_property
    def rudolph_in_bfloat16(self) -> Rudolph:
        """The same RUDOLPH with the range of float32, for samples that overflow in float16. Loaded when first used."""
        return _load_packed(self.folder / RUDOLPH_FOLDER, self.device, torch.bfloat16)

    @cached_property
    def not_finite(self) -> tuple[str, ...]:
        """The tensors in the files that hold NaN or an infinity. Read when first asked for: it takes a while."""
        return tuple(not_finite_tensors(self.folder))


def load_networks(folder: Path, device: torch.device, dtype: torch.dtype, ruclip: Path | None = None) -> Networks:
    """Load `bpe.model`, `rudolph/` and `vqgan/` of a weights folder, and a ruCLIP from the folder `ruclip`.

    Raises ModelFileError (ConfigError, WeightsError, VQGANConfigError, BPEFormatError, RuCLIPError, WeightsFolderError)
    or OSError.
    """
    tokenizer = BPE(folder / BPE_FILE)
    rudolph = _load_packed(folder / RUDOLPH_FOLDER, device, dtype)
    vqgan = prepared(load_vqgan(folder / VQGAN_FOLDER, device), dtype)
    require_fit(folder, rudolph.config, tokenizer, vqgan)
    clip = None if ruclip is None else RuCLIP.from_directory(ruclip, device)
    # A VQGAN of undefined values draws black pictures without an error; RUDOLPH's are asked about when one occurs.
    flaws = (f"{tensor}: pictures will be wrong" for tensor in not_finite_tensors(folder, (VQGAN_FOLDER,)))
    vocabulary, read = Vocabulary(tokenizer, rudolph.config), tuple(notes(folder))
    return Networks(folder, device, dtype, rudolph, vqgan, vocabulary, clip, read, tuple(flaws))


def prepared(vqgan: VQGAN, dtype: torch.dtype) -> VQGAN:
    """Have a VQGAN render in bfloat16 where a run on a CPU is to compute in it and gains by it.

    That is where the processor multiplies matrices in it (AMX), or Winograd's kernels are missing: these take float32
    less time than direct sums in bfloat16. There pixels differ by less than a JPEG of quality 95 changes them (with the
    bundled one 0.4 levels of 255 in the mean). Encoding stays in float32: one code in nine would be another one.
    """
    weight = vqgan.quantize.embed.weight
    gains = torch.cpu._is_amx_tile_supported() or not has_kernels(weight)
    if dtype == torch.bfloat16 and weight.device.type == "cpu" and gains:
        vqgan.render_in(dtype)
    return vqgan


def _load_packed(folder: Path, device: torch.device, dtype: torch.dtype) -> Rudolph:
    """RUDOLPH with its linear layers as a processor's kernels read them; on a GPU they stay as they are."""
    if device.type == "cpu" and dtype == torch.bfloat16 and packable(torch.empty(0, dtype=dtype)):
        return bfloat16_products(load_rudolph(folder, device, None))
    rudolph = load_rudolph(folder, device, dtype)
    pack_linears(rudolph.transformer)
    return rudolph


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of each file that the networks come from, by its path below the folder. Raises as `load_networks`."""
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder_files(folder)}
