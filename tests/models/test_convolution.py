"""Winograd's convolutions give what direct ones give, for any batch the same, and are taken only where they gain."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.counting import Counting
from contest.pictures import open_picture
from models.convolution import Conv3x3, has_kernels, workspace_bytes
from models.pixels import to_pixels
from models.vqgan import VQGAN, load_vqgan
from submission.loading import prepared

ROOT = Path(__file__).parents[2]
DEMO, WEIGHTS = ROOT / "demo" / "images", ROOT / "weights"
QUICK = "_nnpack_spatial_convolution"
SMALL = {
    "ch": 32,
    "ch_mult": (1, 2),
    "num_res_blocks": 1,
    "attn_resolutions": (),
    "resolution": 64,
    "z_channels": 32,
    "embed_dim": 32,
    "n_embed": 64,
}
needs_nnpack = pytest.mark.skipif(not has_kernels(torch.zeros(1)), reason="NNPACK has no kernels for this processor")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer(channels_in: int, channels_out: int) -> Conv3x3:
    torch.manual_seed(0)
    return Conv3x3(channels_in, channels_out).eval()


@needs_nnpack
@pytest.mark.parametrize(
    ("channels_in", "channels_out", "batch", "height", "width"),
    [
        (32, 32, 1, 16, 16),
        (32, 32, 3, 16, 16),
        (32, 3, 2, 17, 19),
        (33, 5, 2, 18, 24),
        (40, 7, 3, 23, 12),
        (32, 32, 2, 5, 60),
        (32, 32, 2, 60, 5),
        (64, 96, 2, 24, 24),
        (32, 8, 1, 40, 41),
        (32, 8, 3, 40, 41),
        (32, 16, 2, 48, 48),
    ],
)
@torch.inference_mode()
def test_equals_the_direct_convolution(
    channels_in: int, channels_out: int, batch: int, height: int, width: int
) -> None:
    own, x = layer(channels_in, channels_out), random(batch, channels_in, height, width)
    with Counting() as counted:
        output = own(x)
    assert counted.operations[QUICK] > 0
    assert own.bias is not None
    exact = F.conv2d(x.double(), own.weight.double(), own.bias.double(), padding=1)
    torch.testing.assert_close(output.double(), exact, atol=3e-5, rtol=0)


@needs_nnpack
@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 18), (24, 24), (40, 40), (41, 41)])
@torch.inference_mode()
def test_numbers_of_a_picture_are_the_same_in_any_batch(height: int, width: int) -> None:
    own, x = layer(48, 32), random(5, 48, height, width)
    together = own(x)
    for index in range(5):
        assert torch.equal(own(x[index : index + 1])[0], together[index])
    assert torch.equal(own(x[1:4]), together[1:4])


@needs_nnpack
@torch.inference_mode()
def test_any_memory_layout_is_taken() -> None:
    own, x = layer(32, 32), random(2, 32, 20, 20)
    for given in (x.contiguous(memory_format=torch.channels_last), F.pad(x, (1, 1, 1, 1))[:, :, 1:-1, 1:-1]):
        assert torch.equal(own(given), own(x))


@needs_nnpack
@pytest.mark.parametrize(
    ("batch", "channels", "side", "calls"),
    [
        (1, 32, 16, 1),
        (8, 32, 15, 0),  # the weights' transformation would take longer than what it saves
        (4, 32, 16, 1),  # pictures share it
        (4, 32, 40, 1),
        (4, 32, 41, 4),  # it hardly counts
        (1, 31, 48, 0),
        (0, 32, 16, 0),
    ],
)
@torch.inference_mode()
def test_where_it_is_taken(batch: int, channels: int, side: int, calls: int) -> None:
    own = layer(channels, 32)
    with Counting() as counted:
        output = own(torch.zeros(batch, channels, side, side))
    assert list(output.shape) == [batch, 32, side, side]
    assert counted.operations[QUICK] == calls


@needs_nnpack
@torch.inference_mode()
def test_a_grid_whose_workspace_would_be_large_is_summed_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    own = layer(32, 32)
    monkeypatch.setattr("models.convolution.MOST_WORKSPACE", workspace_bytes(32, 48))
    with Counting() as counted:
        own(torch.zeros(1, 32, 48, 48))
        own(torch.zeros(1, 32, 49, 49))
        own(torch.zeros(1, 32, 24, 98))
    assert counted.operations[QUICK] == 1


def test_the_plain_layer_computes_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    own, x = layer(32, 32), random(1, 32, 16, 16)
    plain = nn.Conv2d(32, 32, 3, padding=1)
    plain.load_state_dict(own.state_dict())
    with Counting() as counted:
        assert torch.equal(own(x), plain(x))  # gradients may be asked for
    with torch.inference_mode(), counted:
        half = copy.deepcopy(own).bfloat16()(x.bfloat16())
        assert half.dtype == torch.bfloat16
        on_meta = copy.deepcopy(own).to("meta")(x.to("meta"))
        assert on_meta.is_meta
        monkeypatch.setattr(torch, "_nnpack_available", lambda: False)
        assert torch.equal(own(x), plain(x))
    assert counted.operations[QUICK] == 0


@pytest.mark.parametrize("name", ["_nnpack_available", QUICK])
def test_a_torch_without_these_names_has_no_kernels(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own, x = layer(32, 32), random(1, 32, 16, 16)
    monkeypatch.delattr(torch, name)
    assert not has_kernels(x)
    with torch.inference_mode():
        assert torch.equal(own(x), F.conv2d(x, own.weight, own.bias, padding=1))


def test_bytes_of_a_call() -> None:
    """Of the first 71 MB were measured beyond the output."""
    assert workspace_bytes(128, 192) == 4 * 64 * (128 * 128 + 128 * 32 * 32 * 2)
    assert workspace_bytes(512, 24) == 4 * 64 * (512 * 512 + 512 * 4 * 4 * 2)


@needs_nnpack
@torch.inference_mode()
def test_fine_maps_are_computed_one_by_one_and_coarse_ones_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.vqgan.layers.PLACES_AT_ONCE", 16 * 16)
    torch.manual_seed(0)
    network, pixels = VQGAN(**SMALL).eval(), torch.rand(3, 3, 16, 16)
    sizes: dict[str, list[int]] = {}
    for part in ("encoder.down.0", "encoder.down.1", "encoder.mid", "decoder.mid", "decoder.up.1", "decoder.up.0"):
        seen = sizes.setdefault(part, [])
        network.get_submodule(part).register_forward_pre_hook(lambda _, x, seen=seen: seen.append(len(x[0])))
    codes = network.encode(pixels)
    pictures = network.decode(codes)
    assert sizes == {
        "encoder.down.0": [1, 1, 1],
        "encoder.down.1": [3],
        "encoder.mid": [3],
        "decoder.mid": [3],
        "decoder.up.1": [1, 1, 1],  # its end has the finest grid
        "decoder.up.0": [1, 1, 1],
    }
    monkeypatch.setattr("models.vqgan.layers.PLACES_AT_ONCE", 3 * 16 * 16)
    assert torch.equal(network.encode(pixels), codes)
    torch.testing.assert_close(network.decode(codes), pictures, atol=3e-5, rtol=0)
    assert sizes["decoder.up.0"] == [1, 1, 1, 3]


@needs_nnpack
@torch.inference_mode()
def test_codes_and_pictures_of_the_bundled_network_hold() -> None:
    vqgan = load_vqgan(WEIGHTS / "vqgan")
    pixels = torch.stack([to_pixels(open_picture(path), 64) for path in sorted(DEMO.iterdir())[:24]])
    with Counting() as counted:
        codes = vqgan.encode(pixels)
        pictures = vqgan.decode(codes)
    assert counted.operations[QUICK] > 20
    exact = copy.deepcopy(vqgan).double()
    assert (codes != exact.encode(pixels.double())).sum() <= 1  # of 1,536; of 81,920 one, of direct sums' three
    true_pictures = exact.decode(codes)
    torch.testing.assert_close(pictures.double(), true_pictures, atol=1e-4, rtol=0)
    levels, true_levels = (pictures * 255).round(), (true_pictures * 255).round()
    assert (levels - true_levels).abs().max() <= 1
    assert (levels != true_levels).double().mean() < 1e-3


@pytest.mark.parametrize(
    ("dtype", "matrix_units", "kernels", "rendered"),
    [
        (torch.bfloat16, True, True, torch.bfloat16),
        (torch.bfloat16, True, False, torch.bfloat16),
        (torch.bfloat16, False, True, torch.float32),
        (torch.bfloat16, False, False, torch.bfloat16),
        (torch.float32, True, True, torch.float32),
        (torch.float32, False, False, torch.float32),
    ],
)
def test_what_pictures_are_rendered_in(
    dtype: torch.dtype, matrix_units: bool, kernels: bool, rendered: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "_nnpack_available", lambda: kernels)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrix_units)
    network = prepared(VQGAN(**SMALL).eval(), dtype)
    assert {parameter.dtype for parameter in network.decoder.parameters()} == {rendered}
    assert {parameter.dtype for parameter in network.encoder.parameters()} == {torch.float32}
