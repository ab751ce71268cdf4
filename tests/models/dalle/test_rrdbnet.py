"""Super-resolution against the published code (tests/golden/dalle): the network, the tiling, whole pictures, files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.rrdbnet import RRDBNet, load_rrdbnet, load_rrdbnet_file, upscale
from models.rrdbnet.super_resolution import Patches, cut, enlarged_pieces, mirrored, put_together
from models.weights import WeightsFormatError, WeightsMismatchError

SMALL = {"num_feat": 8, "num_block": 2, "num_grow_ch": 4}
SCALES = (1, 2, 4)


@pytest.fixture(scope="module")
def networks(read_state: Callable[[str], dict[str, Tensor]]) -> dict[int, RRDBNet]:
    found = {scale: RRDBNet(scale=scale, **SMALL).eval() for scale in SCALES}
    for scale, network in found.items():
        network.load_state_dict(read_state(f"rrdb_x{scale}.npz"))
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_published_names_and_outputs(
    scale: int, networks: dict[int, RRDBNet], facts: dict[str, Any], arrays: dict[str, Tensor]
) -> None:
    network = networks[scale]
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == facts["rrdb"][str(scale)]["state"]
    with torch.no_grad():
        found = network(arrays[f"rrdb/x{scale}_in"])
    assert float((found - arrays[f"rrdb/x{scale}_out"]).abs().max()) < 1e-4


def test_scale_eight_has_one_upsampling_more() -> None:
    network = RRDBNet(scale=8, **SMALL)
    assert set(network.state_dict()) - set(RRDBNet(scale=4, **SMALL).state_dict()) == {
        "conv_up3.weight",
        "conv_up3.bias",
    }
    assert network(torch.zeros(1, 3, 5, 6)).shape == (1, 3, 40, 48)


def test_the_published_size() -> None:
    with torch.device("meta"):
        counts = {scale: sum(p.numel() for p in RRDBNet(scale).parameters()) for scale in (2, 4, 8)}
    assert counts == {2: 16_703_171, 4: 16_697_987, 8: 16_734_915}


@pytest.mark.parametrize("scale", [0, 3, 16])
def test_other_scales_are_refused(scale: int) -> None:
    with pytest.raises(ValueError, match=f"scale must be one of 1, 2, 4, 8, not {scale}"):
        RRDBNet(scale=scale)


def published_cases(facts: dict[str, Any], scrambled: bool) -> list[tuple[int, dict[str, Any]]]:
    cases = [(scale, case) for scale in (2, 4) for case in facts["rrdb"][str(scale)]["predict"]]
    return [(scale, case) for scale, case in cases if (2 * case["padding"] >= case["patches_size"]) == scrambled]


def test_published_pictures(facts: dict[str, Any], arrays: dict[str, Tensor], networks: dict[int, RRDBNet]) -> None:
    cases = published_cases(facts, scrambled=False)
    assert len(cases) == 12
    for scale, case in cases:
        patches = Patches(case["patches_size"], case["padding"], case["pad_size"])
        found = upscale(networks[scale], arrays[f"{case['key']}_in"], patches, batch=case["batch_size"])
        assert list(found.shape) == case["out"]
        levels = (found.int() - arrays[f"{case['key']}_out"].int()).abs()
        assert int(levels.max()) <= 1, case["key"]


def test_the_published_scrambling_is_not_reproduced(
    facts: dict[str, Any], arrays: dict[str, Tensor], networks: dict[int, RRDBNet]
) -> None:
    cases = published_cases(facts, scrambled=True)
    assert len(cases) == 2
    for scale, case in cases:
        picture = arrays[f"{case['key']}_in"]
        patches = Patches(case["patches_size"], case["padding"], case["pad_size"])
        framed = mirrored(picture.permute(2, 0, 1), patches.border)  # 26 pixels wide: four patches
        pieces = torch.cat(list(enlarged_pieces(networks[scale], cut(framed, patches)[0], patches.padding * scale, 4)))
        scrambled = torch.zeros(3, 40 * scale, 40 * scale, dtype=torch.uint8)
        side = patches.size * scale
        for number, piece in enumerate(pieces):
            row, column = divmod(number, 5)  # 40 // 8, the padding counted as if it were picture
            scrambled[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = piece
        border, end = patches.border * scale, (26 - patches.border) * scale
        published = arrays[f"{case['key']}_out"].int()
        assert int((scrambled[:, border:end, border:end].permute(1, 2, 0).int() - published).abs().max()) <= 1
        found = upscale(networks[scale], picture, patches)
        assert torch.equal(
            found, put_together(pieces, (4, 4), 26 * scale, 26 * scale)[:, border:end, border:end].permute(1, 2, 0)
        )
        assert int((found.int() - published).abs().max()) > 100


TILINGS = [("5x9", 4, 1, 2), ("8x8", 4, 1, 1), ("10x3", 8, 3, 2), ("6x6", 4, 2, 1)]


@pytest.mark.parametrize(("sides", "size", "padding", "border"), TILINGS)
def test_published_tiling(sides: str, size: int, padding: int, border: int, arrays: dict[str, Tensor]) -> None:
    key = f"tiling/{sides}_p{size}_o{padding}_r{border}"
    framed = mirrored(arrays[f"{key}_in"].permute(2, 0, 1), border)
    assert torch.equal(framed.permute(1, 2, 0), arrays[f"{key}_reflected"])
    pieces, grid = cut(framed, Patches(size, padding, border))
    assert torch.equal(pieces.permute(0, 2, 3, 1), arrays[f"{key}_patches"])
    inner = pieces[:, :, padding:-padding, padding:-padding]
    assert torch.equal(put_together(inner, grid, *framed.shape[1:]), framed)


class Repeating(nn.Module):
    """Repeats pixels: what is cut and put together rightly comes back as it was, only larger."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.unshuffle = scale, 1
        self.conv_first = nn.Conv2d(3, 1, 1)
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


@pytest.mark.parametrize("border", [0, 1, 15])
@pytest.mark.parametrize("padding", [0, 1, 4, 9])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 13), (8, 8), (9, 23), (40, 3)])
def test_pictures_of_any_size_come_back_whole(height: int, width: int, padding: int, border: int) -> None:
    picture = torch.randint(256, (height, width, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    found = upscale(Repeating(2), picture, Patches(8, padding, border))  # type: ignore[arg-type]
    # A level of 255 stays one; others may lose one by truncation, as published.
    assert int((found[::2, ::2].int() - picture.int()).abs().max()) <= 1
    assert torch.equal(found[::2, ::2], found[1::2, 1::2])


def test_a_large_picture_goes_through_in_batches_of_patches() -> None:
    network = Repeating(4)
    upscale(network, torch.zeros(40, 60, 3, dtype=torch.uint8), Patches(16, 2, 0), batch=5)  # type: ignore[arg-type]
    assert network.seen == [(5, 3, 20, 20), (5, 3, 20, 20), (2, 3, 20, 20)]


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.zeros(4, 4, dtype=torch.uint8), "must be uint8"),
        (torch.zeros(4, 4, 4, dtype=torch.uint8), "must be uint8"),
        (torch.zeros(4, 4, 3), "must be uint8"),
        (torch.zeros(0, 4, 3, dtype=torch.uint8), "must be uint8"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Tensor, message: str, networks: dict[int, RRDBNet]) -> None:
    with pytest.raises(ValueError, match=message):
        upscale(networks[4], picture)


def test_patches_that_do_not_fit_the_scale_are_refused(networks: dict[int, RRDBNet]) -> None:
    with pytest.raises(ValueError, match="must be a multiple of 2 at scale 2"):
        upscale(networks[2], torch.zeros(4, 4, 3, dtype=torch.uint8), Patches(7, 2, 1))
    with pytest.raises(ValueError, match="size must be at least 1"):
        Patches(size=0)
    with pytest.raises(ValueError, match="padding must not be negative"):
        Patches(padding=-1)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("key", [None, "params", "params_ema"])
def test_files_of_every_published_form(key: str | None, scale: int, tmp_path: Path) -> None:
    torch.manual_seed(scale)
    network = RRDBNet(scale=scale, **SMALL).eval()
    state = network.state_dict()
    torch.save(state if key is None else {key: state}, tmp_path / "RealESRGAN.pth")
    loaded = load_rrdbnet(tmp_path)
    assert loaded.scale == scale
    pictures = torch.rand(1, 3, 4, 8)
    assert torch.equal(loaded(pictures), network(pictures))


def test_params_come_before_their_average(tmp_path: Path) -> None:
    first, second = RRDBNet(**SMALL).state_dict(), RRDBNet(**SMALL).state_dict()
    torch.save({"params_ema": second, "params": first}, tmp_path / "both.pth")
    assert torch.equal(load_rrdbnet_file(tmp_path / "both.pth").conv_hr.weight, first["conv_hr.weight"])


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path, state = tmp_path / "x.pth", RRDBNet(**SMALL).state_dict()
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(WeightsFormatError, match="not an RRDBNet"):
        load_rrdbnet_file(path)
    torch.save({**state, "conv_first.weight": torch.zeros(8, 4, 3, 3)}, path)
    with pytest.raises(WeightsFormatError, match="no scale has 4 input channels and 2 upsamplings"):
        load_rrdbnet_file(path)
    del state["body.1.rdb2.conv3.bias"]
    torch.save(state, path)
    with pytest.raises(WeightsMismatchError) as caught:
        load_rrdbnet_file(path)
    assert caught.value.missing == ("body.1.rdb2.conv3.bias",)
