"""An upscaler from its weights file alone: sizes and scale follow from names and shapes. Strict, memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models.rrdbnet.network import CHANNELS, SCALES, RRDBNet
from models.weights import WeightsFormatError, find_weights, load_weights, read_state_dict


def load_rrdbnet(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> RRDBNet:
    """Load the upscaler of a folder, ready for inference. Raises `WeightsError` (tensors are named)."""
    return load_rrdbnet_file(find_weights(folder), device, dtype)


def load_rrdbnet_file(
    path: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> RRDBNet:
    """Load an upscaler from a weights file: the state dict itself, or under `params` or `params_ema`.

    Raises `WeightsError`; tensors are named.
    """
    state = read_state_dict(path)
    first, dense = state.get("conv_first.weight"), state.get("body.0.rdb1.conv1.weight")
    if first is None or dense is None or first.dim() != 4 or dense.dim() != 4:
        problem = "not an RRDBNet: it has no conv_first.weight and body.0.rdb1.conv1.weight of four dimensions"
        raise WeightsFormatError(path, problem, "take the file of a Real-ESRGAN, such as RealESRGAN_x4.pth")
    with torch.device("meta"):
        network = RRDBNet(
            scale=_scale(path, state, first),
            num_feat=first.shape[0],
            num_block=len({name.split(".")[1] for name in state if name.startswith("body.")}),
            num_grow_ch=dense.shape[0],
        )
    load_weights(network, path, device=device, dtype=dtype)
    return network.eval()


def _scale(path: Path, state: Mapping[str, Tensor], first: Tensor) -> int:
    form = (first.shape[1], 3 if "conv_up3.weight" in state else 2)
    forms = {(CHANNELS * unshuffle**2, upsamplings): scale for scale, (unshuffle, upsamplings) in SCALES.items()}
    if form not in forms:
        problem = f"no scale has {form[0]} input channels and {form[1]} upsamplings"
        raise WeightsFormatError(path, problem, "take the file of a Real-ESRGAN for RGB pictures")
    return forms[form]
