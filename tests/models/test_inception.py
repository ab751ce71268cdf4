"""The FID Inception equals the organisers' network, on made-up weights under the published names."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.inception import Inception
from models.weights import WeightsMismatchError, save_state_dict
from tests.inception_weights import STATE_DICT, made_up_weights

GOLDEN = STATE_DICT.parent
FEATURES = json.loads((GOLDEN / "inception_features.json").read_text())


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return made_up_weights()


@pytest.fixture(scope="module")
def network(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Inception:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    save_state_dict(weights, path)
    return Inception.from_file(path)


@pytest.fixture(scope="module")
def pictures(network: Inception) -> torch.Tensor:
    return torch.stack([network.preprocess(Image.open(GOLDEN / "images" / name)) for name in FEATURES["files"]])


def test_the_recipe_gives_the_golden_weights(weights: dict[str, torch.Tensor]) -> None:
    check = json.loads(STATE_DICT.read_text())["check"]
    assert sum(value.numel() for value in weights.values() if value.is_floating_point()) == check["numbers"]
    for name, first in check["first5"].items():
        assert weights[name].flatten()[:5].tolist() == pytest.approx(first, abs=1e-9)


def test_pictures_are_resized_to_the_byte(pictures: torch.Tensor) -> None:
    pixels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    hashes = [hashlib.sha256(picture.numpy().tobytes()).hexdigest() for picture in pixels]
    assert hashes == [FEATURES["input"][name]["resized_256_sha256"] for name in FEATURES["files"]]


@pytest.mark.parametrize("dims", [64, 192, 768, 2048])
def test_features_equal_the_organisers(network: Inception, pictures: torch.Tensor, dims: int) -> None:
    expected = np.load(GOLDEN / "inception_features.npz")[f"dims_{dims}"]
    actual = network.features(pictures, dims).numpy()  # type: ignore[arg-type]
    assert np.abs(actual - expected).max() <= 1e-5 * expected.max()


def test_the_name_tells_the_weights_and_only_the_published_ones_are_published(network: Inception) -> None:
    assert network.name == f"inception-v3-fid-{network.weights_sha256[:8]}"
    assert not network.is_published


def test_a_file_may_lack_the_classifier_and_the_counters(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    lean = {
        name: value
        for name, value in weights.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    save_state_dict(lean, tmp_path / "lean.pth")
    assert not any(value.is_meta for value in Inception.from_file(tmp_path / "lean.pth").state_dict().values())


def test_every_tensor_that_does_not_fit_is_named(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    changed = dict(weights)
    del changed["Mixed_7c.branch_pool.conv.weight"]
    changed["AuxLogits.fc.bias"] = torch.zeros(1000)
    changed["Conv2d_1a_3x3.conv.weight"] = torch.zeros(32, 3, 5, 5)
    save_state_dict(changed, tmp_path / "other.pth")
    with pytest.raises(WeightsMismatchError) as caught:
        Inception.from_file(tmp_path / "other.pth")
    assert caught.value.missing == ("Mixed_7c.branch_pool.conv.weight",)
    assert caught.value.unexpected == ("AuxLogits.fc.bias",)
    assert "Conv2d_1a_3x3.conv.weight: shape [32, 3, 3, 3] expected" in caught.value.mismatched[0]
