"""The small world is made once for all trainings of the tests."""

import json
from pathlib import Path

import pytest
import torch

from data_prep.__main__ import main as data_prep
from models.vqgan import VQGAN
from models.weights import save_safetensors
from tests.training.small_world import PICTURES, SETTINGS, TINY
from tests.training.watched_training import watched as watched
from training.__main__ import main as training


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tune")
    tasks = "textqa,generation,captioning"
    sizes = ["--train", "30", "--validation", "3", "--test", "0"]
    assert data_prep(["synthetic", "--output", str(root / "world"), "--seed", "1", *sizes, "--tasks", tasks]) == 0
    (root / "weights" / "vqgan").mkdir(parents=True)
    (root / "weights" / "vqgan" / "config.json").write_text(json.dumps(PICTURES))
    torch.manual_seed(0)
    save_safetensors(VQGAN(**PICTURES), root / "weights" / "vqgan" / "model.safetensors", torch.float16)
    bpe = root / "weights" / "bpe.model"
    assert training(["bpe", "--data", str(root / "world"), "--output", str(bpe), "--vocab", "300"]) == 0
    TINY.save(root / "tiny.json")
    (root / "settings.yaml").write_text(SETTINGS.format(root=root))
    return root
