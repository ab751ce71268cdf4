"""The fake ruCLIP of the golden files: vectors are bytes of hashes of the text, and of the size and the pixels."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image


def _unit(data: bytes) -> torch.Tensor:
    vector = np.frombuffer(hashlib.sha256(data).digest()[:16], dtype=np.uint8) - 127.5
    return torch.from_numpy((vector / np.linalg.norm(vector)).astype(np.float32))


class FakeClip:
    name = "fake"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def text_latents(self, texts: Sequence[str]) -> torch.Tensor:
        self.asked += texts
        return torch.stack([_unit(text.lower().strip().encode()) for text in texts])

    def preprocess(self, picture: Image.Image) -> torch.Tensor:
        rgb = picture.convert("RGB")
        return _unit(f"{rgb.width}x{rgb.height}".encode() + rgb.tobytes())

    def image_latents(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return pixel_values
