"""The bundled ruDALL-E and upscaler: small, and able to draw what is asked for, offline."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abilities.__main__ import main
from models.dalle import load_dalle
from models.rrdbnet import load_rrdbnet

BUNDLED = Path(__file__).parents[2] / "weights"


def test_they_take_at_most_4_mb_and_load_strictly() -> None:
    files = [*(BUNDLED / "dalle").iterdir(), *(BUNDLED / "rrdbnet_x4").iterdir()]
    assert sum(file.stat().st_size for file in files) <= 4_000_000
    assert load_dalle(BUNDLED / "dalle").config.image_tokens_per_dim == 8
    assert load_rrdbnet(BUNDLED / "rrdbnet_x4").scale == 4


@pytest.mark.parametrize(("text", "channel"), [("красный круг на белом фоне", 0), ("синий круг на белом фоне", 2)])
def test_a_dream_has_the_colours_that_were_asked_for(text: str, channel: int, tmp_path: Path) -> None:
    command = ["dream", text, "--output", str(tmp_path), "--count", "6", "--keep", "1", "--device", "cpu", "--quiet"]
    assert main(command) == 0
    pixels = np.asarray(Image.open(tmp_path / "picture_1_x4.png")).astype(int)
    assert pixels.shape == (256, 256, 3)
    centre = pixels[96:160, 96:160].mean((0, 1))
    assert all(centre[channel] > other + 80 for number, other in enumerate(centre) if number != channel)
    assert pixels[:16, :16].mean() > 220
