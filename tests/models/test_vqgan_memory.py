"""Planned bytes of a picture are those that encoding and decoding it allocate, at the true size (on meta tensors)."""

import pytest
import torch

from benchmarks.counting import PeakMemory
from models.vqgan import VQGAN
from models.vqgan.memory import picture_bytes

PUBLISHED = {
    "ch": 128,
    "ch_mult": [1, 1, 2, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [32],
    "resolution": 256,
    "z_channels": 256,
    "embed_dim": 256,
    "n_embed": 8192,
}


@pytest.mark.parametrize(("dtype", "batch", "expected"), [(torch.float32, 1, 91.5e6), (torch.float16, 3, 45.8e6)])
@torch.inference_mode()
def test_bytes_of_a_picture_of_the_published_network(dtype: torch.dtype, batch: int, expected: float) -> None:
    with torch.device("meta"):
        vqgan = VQGAN(**PUBLISHED).to(dtype).eval()
        pixels, embedded = torch.empty(batch, 3, 192, 192, dtype=dtype), torch.empty(batch, 256, 24, 24, dtype=dtype)
    with PeakMemory() as encoding:
        vqgan.encode(pixels)
    with PeakMemory() as decoding:
        vqgan.synthesize(embedded)
    planned = picture_bytes(vqgan, 192)
    assert planned["activations"] == pytest.approx(expected, rel=0.01)
    assert encoding.peak < decoding.peak
    assert decoding.peak == pytest.approx(batch * planned["activations"], rel=0.01)
    assert sum(planned.values()) > planned["activations"]
