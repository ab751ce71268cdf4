"""A RUDOLPH from its folder: `config.json` and one weights file of any published form. Strict, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from models.rudolph.config import Config, read_config
from models.rudolph.masks import sequence_mask
from models.rudolph.packed import pack_linears
from models.rudolph.transformer import Rudolph, SparseDecoder
from models.weights import WeightsMismatchError, find_weights, load_weights, read_state_dict

Decoder = TypeVar("Decoder", bound=SparseDecoder)


def load_rudolph(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> Rudolph:
    """Load the RUDOLPH of a folder, ready for inference.

    Raises `ConfigError` for its configuration, `WeightsError` for its weights (tensors are named).
    """
    return load_rudolph_file(find_weights(folder), read_config(folder / "config.json"), device, dtype)


def load_rudolph_file(
    path: Path, config: Config, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> Rudolph:
    """Load a RUDOLPH of this configuration from a weights file. Raises as `load_rudolph`."""
    with torch.device("meta"):
        model = Rudolph(config)
    return load_decoder(model, path, device, dtype)


def load_decoder(model: Decoder, path: Path, device: torch.device | str, dtype: torch.dtype | None) -> Decoder:
    """Give a decoder that was built on the meta device the weights of a file; ready for inference.

    The file may lack the masks, as they follow from the configuration; those that it has must agree with it.
    Raises `WeightsError`; tensors are named.
    """
    config, kinds = model.config, model.config.mask_kinds
    names = tuple(f"transformer.{kind}_mask" for kind in kinds)
    model.transformer.rebuild_masks(device)
    load_weights(model, path, device=device, dtype=dtype, optional=names)
    masks = _masks_of(model, path, names)
    image = slice(config.l_text_seq_length, config.prefix_length)
    different = tuple(
        f"{name}: between image positions another one than the configuration's; check {config.mask_keywords}"
        for name, kind in zip(names, kinds, strict=True)
        if name in masks
        and not torch.equal(masks[name][image, image].bool().cpu(), sequence_mask(kind, config)[image, image])
    )
    if different:  # drawing keeps what the configuration's masks show, and would go wrong without a word
        raise WeightsMismatchError(path, (), (), different)
    return model.eval()


def _masks_of(model: SparseDecoder, path: Path, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The masks that were loaded; on the meta device those of the file, as far as it has some."""
    masks = {name: model.get_buffer(name) for name in names}
    if not any(mask.is_meta for mask in masks.values()):
        return masks
    state = read_state_dict(path)
    return {name: state[name] for name in names if name in state}


def bfloat16_products(rudolph: Rudolph) -> Rudolph:
    """Have a model on a CPU multiply in bfloat16 by the layers' weights, and keep all else in float32.

    Keys and values are in bfloat16 as the products, and so is attention. What bfloat16 loses, it loses where layers'
    outputs are summed up: 99.6 % of the likeliest picture codes stay float32's so, and 98.2 % where all is in bfloat16
    (bundled weights).
    """
    pack_linears(rudolph.transformer, torch.bfloat16)
    return rudolph.float()
