"""The published preprocessing, picture by picture, and what becomes of the network's pixels."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from contest.pictures import open_picture
from models.pixels import to_bytes, to_pixels
from submission.picture_files import grey_picture, is_black, to_jpeg
from tests.submission.conftest import GOLDEN

CASES = json.loads((GOLDEN / "inference_golden.json").read_text())["preprocess"]


@pytest.mark.parametrize("case", CASES, ids=[case["file"].split("/")[1] for case in CASES])
def test_preprocessing_is_the_published_one(case: dict) -> None:
    with np.load(GOLDEN / "inference_golden.npz") as arrays:
        outcomes = arrays[case["key"]]  # [possible outcomes, 3, side, side]
    pixels = to_pixels(open_picture(GOLDEN / case["file"]), outcomes.shape[-1])
    found = (pixels * 255).round().to(torch.uint8).numpy()
    assert any(np.array_equal(found, outcome) for outcome in outcomes)


def test_only_a_picture_without_any_light_is_black() -> None:
    assert is_black(torch.zeros(3, 4, 4))
    assert not is_black(torch.tensor([[[0.0, 1 / 255]]]))


def test_pixels_are_truncated_and_not_rounded() -> None:
    images = torch.tensor([0.0, 0.5, 0.999, 1.0]).reshape(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert to_bytes(images)[0, 0, :, 0].tolist() == [0, 127, 254, 255]


def test_a_grey_picture_stays_grey_in_a_jpeg() -> None:
    with Image.open(io.BytesIO(to_jpeg(grey_picture(16), quality=75))) as picture:
        assert (picture.format, picture.size, picture.getpixel((8, 8))) == ("JPEG", (16, 16), (127, 127, 127))
