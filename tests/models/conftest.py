"""The small published-layout RUDOLPH, its vocabulary and its picture codes that the golden API calls were made with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from models.bpe import BPE
from models.rudolph import Config, Rudolph
from models.rudolph.vocabulary import Vocabulary
from models.vqgan import VQGAN

GOLDEN = Path(__file__).parents[1] / "golden" / "models"


def golden_state(name: str) -> dict[str, Tensor]:
    """Weights are stored as float16 and used as float32."""
    with np.load(GOLDEN / name) as arrays:
        found = {key: torch.from_numpy(arrays[key]) for key in arrays}
    return {key: value if value.dtype == torch.bool else value.float() for key, value in found.items()}


@pytest.fixture(scope="session")
def golden_rudolph() -> Rudolph:
    model = Rudolph(Config(**json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"]))
    model.load_state_dict(golden_state("rudolph_state.npz"))
    return model.eval()


@pytest.fixture(scope="session")
def golden_vocabulary(golden_rudolph: Rudolph) -> Vocabulary:
    return Vocabulary(BPE(GOLDEN / "bpe_small_256.model"), golden_rudolph.config)


@pytest.fixture(scope="session")
def golden_picture() -> Tensor:
    """Most probable codes [I] of e2e/images/other.png: RGB, centre square, PIL bilinear to 48 pixels, [0, 1]."""
    network = VQGAN(**json.loads((GOLDEN / "vae_golden.json").read_text())["vqgan"]["config"]).eval()
    network.load_state_dict(golden_state("vqgan_state.npz"))
    picture = Image.open(GOLDEN / "e2e" / "images" / "other.png").convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((48, 48), Image.Resampling.BILINEAR)
    with torch.no_grad():
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
        return network.encode(pixels[None])[0]
