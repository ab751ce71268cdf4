"""ruCLIP equals the published model's numbers, and refuses directories that are none."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.ruclip import TEMPLATES, RuCLIP, RuCLIPConfig, RuCLIPError
from models.weights import WeightsMismatchError, read_state_dict, save_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "ruclip"
TEXTS = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["texts"]


@pytest.fixture(scope="module")
def network() -> RuCLIP:
    return RuCLIP.from_directory(GOLDEN)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as stored:
        return dict(stored)


def close(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual.numpy(), expected, rtol=0, atol=1e-5)


def test_the_templates_are_the_published_ones() -> None:
    assert list(TEMPLATES) == json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))["templates"]


def test_texts_become_the_published_ids(network: RuCLIP, golden: dict[str, np.ndarray]) -> None:
    assert network.tokenize(TEXTS).tolist() == golden["input_ids"].tolist()


def test_towers_equal_the_published_ones(network: RuCLIP, golden: dict[str, np.ndarray]) -> None:
    close(network.text_features(torch.from_numpy(golden["input_ids"])), golden["text_features"])
    close(network.text_latents(TEXTS), golden["text_latents"])
    pixels = torch.from_numpy(golden["pixel_values"])
    close(network.image_features(pixels), golden["image_features"])
    close(network.image_latents(pixels), golden["image_latents"])
    close(network.image_latents(pixels) @ network.text_latents(TEXTS).T, golden["cosine"])


def test_a_text_alone_has_the_vector_it_has_in_a_batch(network: RuCLIP) -> None:
    alone = torch.cat([network.text_latents([text]) for text in TEXTS])
    torch.testing.assert_close(alone, network.text_latents(TEXTS), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("size", "box"), [((40, 28), (6, 0, 34, 28)), ((28, 41), (0, 6, 28, 34))])
def test_a_picture_is_cut_to_its_centre_square(
    network: RuCLIP, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    config = network.config
    expected = (np.array(picture.crop(box)) / 255 - config.mean) / config.std
    close(network.preprocess(picture).permute(1, 2, 0), expected)


def test_every_mode_becomes_rgb_of_the_network_s_size(network: RuCLIP) -> None:
    for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16"):
        assert network.preprocess(Image.new(mode, (5, 9))).shape == (3, 28, 28)


def test_half_precision_files_are_raised_to_single(network: RuCLIP, tmp_path: Path) -> None:
    network.save(tmp_path, torch.float16)
    shutil.copy(GOLDEN / "bpe.model", tmp_path)
    again = RuCLIP.from_directory(tmp_path)
    assert again.config == network.config
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    assert again.name == f"ruclip-3x64-p7-28-{again.weights_sha256[:8]}"
    assert again.weights_sha256 != network.weights_sha256


def copy_golden(directory: Path) -> None:
    for name in ("config.json", "pytorch_model.bin", "bpe.model"):
        shutil.copy(GOLDEN / name, directory)


@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin", "bpe.model"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    copy_golden(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RuCLIPError, match=name):
        RuCLIP.from_directory(tmp_path)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    copy_golden(tmp_path)
    state = read_state_dict(GOLDEN / "pytorch_model.bin")
    del state["visual.proj"]
    state["visual.extra"] = torch.zeros(1)
    save_state_dict(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsMismatchError) as caught:
        RuCLIP.from_directory(tmp_path)
    assert caught.value.missing == ("visual.proj",)
    assert caught.value.unexpected == ("visual.extra",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": None}, "embed_dim must be a whole number, not null"),
        ({"vision_width": 100}, "multiple of 64"),
        ({"transformer_heads": 5}, "do not divide"),
        ({"mean": 0.5}, "mean must be a list"),
        ({"std": [0.1, 0.0, 0.1]}, "std must be positive"),
        ({"vocab_size": 7}, "the tokenizer has"),
    ],
)
def test_a_configuration_that_can_not_be_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    copy_golden(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(RuCLIPError, match=message):
        RuCLIP.from_directory(tmp_path)


def test_a_configuration_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuCLIPError, match="lacks embed_dim"):
        RuCLIPConfig.from_json({"model_type": "bert"})
