"""The tiny ruDALL-Es that the golden numbers of the published pipeline were made with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.bpe import BPE
from models.dalle import Config, Dalle

GOLDEN = Path(__file__).parents[2] / "golden" / "dalle"


def golden_state(name: str) -> dict[str, Tensor]:
    """Weights are stored as float16 and used as float32."""
    with np.load(GOLDEN / name) as arrays:
        state = {key: torch.from_numpy(arrays[key]) for key in arrays}
    return {key: value if value.dtype == torch.bool else value.float() for key, value in state.items()}


@pytest.fixture(scope="session")
def read_state() -> Callable[[str], dict[str, Tensor]]:
    return golden_state


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    return json.loads((GOLDEN / "golden.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def arrays() -> dict[str, Tensor]:
    with np.load(GOLDEN / "golden.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored}


@pytest.fixture(scope="session")
def dalles(facts: dict[str, Any]) -> dict[str, Dalle]:
    models = {}
    for version in ("v3", "v2"):
        models[version] = Dalle(Config(**facts["models"][version]["config"]))
        models[version].load_state_dict(golden_state(f"state_{version}.npz"))
        models[version].eval()
    return models


@pytest.fixture(scope="session")
def tokenizer() -> BPE:
    return BPE(GOLDEN / "bpe.model")
