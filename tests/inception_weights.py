"""Made-up weights for the FID Inception, by the recipe of the golden files: one seeded draw a tensor."""

import json
import zlib
from math import sqrt
from pathlib import Path

import numpy as np
import torch

STATE_DICT = Path(__file__).parents[0] / "golden" / "metrics" / "inception_state_dict.json"


def made_up_tensor(name: str, shape: list[int]) -> torch.Tensor:
    draw = np.random.RandomState(zlib.crc32(name.encode("ascii")))
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("conv.weight"):
        values = draw.standard_normal(shape) * sqrt(2 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith(("bn.weight", "running_var")):
        values = draw.uniform(0.5, 1.5, shape)
    elif name.endswith(("bn.bias", "running_mean")):
        values = draw.uniform(-0.2, 0.2, shape)
    elif name == "fc.weight":
        values = draw.standard_normal(shape) * 0.01
    else:
        values = np.zeros(shape)
    return torch.from_numpy(values.astype(np.float32))


def made_up_weights() -> dict[str, torch.Tensor]:
    tensors = json.loads(STATE_DICT.read_text())["tensors"]
    return {tensor["name"]: made_up_tensor(tensor["name"], tensor["shape"]) for tensor in tensors}
