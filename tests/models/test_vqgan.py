"""The VQGAN against the numbers of the published implementation, and its own laws."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.vqgan import VQGAN, PictureShapeError
from models.vqgan.layers import HaarSynthesis
from models.vqgan.loading import VQGANConfigError, read_vqgan_config
from models.weights import load_weights, save_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "models"
NUMBERS = np.load(GOLDEN / "vae_golden.npz")
DESCRIPTION = json.loads((GOLDEN / "vae_golden.json").read_text(encoding="utf-8"))
TOLERANCE = 2e-4
RUNS = ["vqgan48", "vqgan40", "dwt48"]
TINY: dict[str, Any] = {
    "ch": 32,
    "ch_mult": (1, 1),
    "num_res_blocks": 1,
    "attn_resolutions": (),
    "resolution": 8,
    "z_channels": 4,
    "embed_dim": 4,
    "n_embed": 16,
}


def golden(name: str) -> Tensor:
    return torch.from_numpy(NUMBERS[name])


def published_state(kind: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{kind}_state.npz") as stored:
        return {name: torch.from_numpy(stored[name]).float() for name in stored}  # each begins with `model.`


def plain_state(kind: str) -> dict[str, Tensor]:
    return {name.removeprefix("model."): value for name, value in published_state(kind).items()}


@pytest.fixture(scope="module")
def published() -> dict[str, VQGAN]:
    networks = {}
    for kind in ("vqgan", "dwt"):
        network = VQGAN(**DESCRIPTION[kind]["config"], wavelet=kind == "dwt").eval()
        network.load_state_dict(plain_state(kind), strict=True)
        networks[kind] = network
    return networks


@pytest.fixture(scope="module")
def tiny() -> VQGAN:
    torch.manual_seed(0)
    return VQGAN(**TINY).eval()


def close(actual: Tensor, name: str) -> None:
    torch.testing.assert_close(actual, golden(name), atol=TOLERANCE, rtol=0)


class TestPublishedNumbers:
    @pytest.mark.parametrize("run", RUNS)
    @torch.no_grad()
    def test_encoder_stages(self, published: dict[str, VQGAN], run: str) -> None:
        network, images = published[run[:-2]], golden(f"{run}/image_u8").float() / 255
        close(network.encoder(images * 2 - 1), f"{run}/encoder_out")
        close(network.latents(images), f"{run}/quant_conv_out")
        close(network.logits(images), f"{run}/code_logits")
        assert torch.equal(network.encode(images), golden(f"{run}/codes_argmax"))

    @pytest.mark.parametrize("run", RUNS)
    @torch.no_grad()
    def test_decoder_stages(self, published: dict[str, VQGAN], run: str) -> None:
        network, codes = published[run[:-2]], golden(f"{run}/random_codes")
        side = int(codes.shape[1] ** 0.5)
        embedded = network.quantize.embed(codes).reshape(len(codes), side, side, -1).permute(0, 3, 1, 2)
        close(network.synthesize(embedded), f"{run}/random_raw_decoder_out")
        close(network.decode(codes), f"{run}/random_decoded")

    @pytest.mark.parametrize("run", ["vqgan48", "vqgan40"])
    @torch.no_grad()
    def test_picture_to_codes_to_picture(self, published: dict[str, VQGAN], run: str) -> None:
        images = golden(f"{run}/image_u8").float() / 255
        close(published["vqgan"].decode(published["vqgan"].encode(images)), f"{run}/decoded_from_argmax")

    def test_haar_synthesis(self) -> None:
        close(HaarSynthesis()(golden("idwt/low"), golden("idwt/high")), "idwt/out")

    @pytest.mark.parametrize("kind", ["vqgan", "dwt"])
    def test_names_and_shapes(self, published: dict[str, VQGAN], kind: str) -> None:
        own = {f"model.{name}": list(value.shape) for name, value in published[kind].state_dict().items()}
        assert own == {name: shape for name, (_, shape) in DESCRIPTION[kind]["state_dict_names"].items()}
        assert sum(p.numel() for p in published[kind].parameters()) == DESCRIPTION[kind]["n_params"]

    @pytest.mark.parametrize("kind", ["vqgan", "dwt"])
    def test_both_published_forms_load(self, published: dict[str, VQGAN], kind: str, tmp_path: Path) -> None:
        for number, state in enumerate((published_state(kind), plain_state(kind))):
            network = VQGAN(**DESCRIPTION[kind]["config"], wavelet=kind == "dwt")
            network.load_state_dict(state, strict=True)
            with torch.device("meta"):
                from_file = VQGAN(**DESCRIPTION[kind]["config"], wavelet=kind == "dwt")
            save_state_dict(state, tmp_path / f"{number}.bin")
            load_weights(from_file, tmp_path / f"{number}.bin", device="cpu")
            for name, value in published[kind].state_dict().items():
                assert torch.equal(network.state_dict()[name], value)
                assert torch.equal(from_file.state_dict()[name], value)

    @pytest.mark.parametrize("run", RUNS)
    @torch.no_grad()
    def test_draws_equal_the_argmax_as_often_as_the_published_gumbel_draws(
        self, published: dict[str, VQGAN], run: str
    ) -> None:
        network, images = published[run[:-2]], golden(f"{run}/image_u8")[:1].float() / 255
        draws = 200
        uniforms = torch.rand(draws, network.encode(images).shape[1], generator=torch.Generator().manual_seed(0))
        sampled = network.sample_codes(images.expand(draws, -1, -1, -1), uniforms)
        agreement = (sampled == network.encode(images)).float().mean().item()
        expected = network.logits(images).softmax(1).amax(1).mean().item()
        assert agreement == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("kind", ["vqgan", "dwt"])
@torch.no_grad()
def test_rendering_in_bfloat16_changes_pictures_little_and_codes_not_at_all(
    published: dict[str, VQGAN], kind: str
) -> None:
    rough, run = copy.deepcopy(published[kind]), next(run for run in RUNS if run[:-2] == kind)
    rough.render_in(torch.bfloat16)
    images, codes = golden(f"{run}/image_u8").float() / 255, golden(f"{run}/random_codes")
    assert torch.equal(rough.logits(images), published[kind].logits(images))
    pixels = rough.decode(codes)
    assert pixels.dtype == torch.float32
    assert (pixels - published[kind].decode(codes)).abs().mean() < 1 / 255


def test_a_processor_computes_a_few_pictures_at_a_time(tiny: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.vqgan.network.PIXELS_AT_ONCE", 2 * 16 * 16)
    pixels = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    together = {"encoder": tiny.logits(pixels).argmax(1).flatten(1)}
    embedded = tiny.quantize.embed(together["encoder"]).unflatten(1, (8, 8)).permute(0, 3, 1, 2)
    together["decoder"] = (tiny.synthesize(embedded).clamp(-1, 1) + 1) / 2
    sizes: dict[str, list[int]] = {"encoder": [], "decoder": []}
    hooks = [
        getattr(tiny, name).register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(len(inputs[0])))
        for name, seen in sizes.items()
    ]
    codes = tiny.encode(pixels)
    pictures = tiny.decode(codes)
    for hook in hooks:
        hook.remove()
    assert sizes == {"encoder": [2, 2, 1], "decoder": [2, 2, 1]}
    assert codes.equal(together["encoder"])
    torch.testing.assert_close(pictures, together["decoder"], atol=1e-5, rtol=0)


class TestSampling:
    def test_inverse_cdf(self, tiny: VQGAN) -> None:
        images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            probabilities = tiny.logits(images).flatten(2).transpose(1, 2).softmax(-1)
            uniforms = torch.rand(2, 16, generator=torch.Generator().manual_seed(2))
            codes = tiny.sample_codes(images, uniforms)
        below = (probabilities.cumsum(-1) <= uniforms.unsqueeze(-1)).sum(-1)
        assert codes.dtype == torch.int64
        assert torch.equal(codes, below)

    @pytest.mark.parametrize(("uniform", "code"), [(0.0, 0), (0.99999994, 15)])
    def test_ends_of_the_unit_interval(self, tiny: VQGAN, uniform: float, code: int) -> None:
        with torch.no_grad():
            codes = tiny.sample_codes(torch.zeros(1, 3, 8, 8), torch.full((1, 16), uniform))
        assert torch.equal(codes, torch.full((1, 16), code))

    def test_a_sample_does_not_depend_on_its_batch(self, tiny: VQGAN) -> None:
        images, uniforms = torch.rand(3, 3, 8, 8), torch.rand(3, 16)
        with torch.no_grad():
            together = tiny.sample_codes(images, uniforms)
            alone = torch.cat([tiny.sample_codes(images[i : i + 1], uniforms[i : i + 1]) for i in range(3)])
        assert torch.equal(together, alone)


class TestShapes:
    @pytest.mark.parametrize(("wavelet", "side"), [(False, 8), (True, 16)])
    def test_output_side(self, wavelet: bool, side: int) -> None:
        with torch.no_grad():
            images = VQGAN(**TINY, wavelet=wavelet).decode(torch.zeros(1, 16, dtype=torch.int64))
        assert list(images.shape) == [1, 3, side, side]
        assert 0 <= float(images.min()) <= float(images.max()) <= 1

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (torch.zeros(1, 15, dtype=torch.int64), "only square grids can be decoded, got 15 codes a picture"),
            (torch.zeros(1, 0, dtype=torch.int64), "only square grids can be decoded, got 0 codes a picture"),
            (torch.zeros(1, 4, 4, dtype=torch.int64), "codes must be [b, n], got [1, 4, 4]"),
            (torch.full((1, 16), 16), "codes must lie in 0..15"),
            (torch.full((1, 16), -1), "codes must lie in 0..15"),
        ],
    )
    def test_codes_refused(self, tiny: VQGAN, codes: Tensor, message: str) -> None:
        with pytest.raises(PictureShapeError) as caught:
            tiny.decode(codes)
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((3, 8, 8), "pictures must be [b, 3, H, W], got [3, 8, 8]"),
            ((1, 1, 8, 8), "pictures must be [b, 3, H, W], got [1, 1, 8, 8]"),
            ((1, 3, 8, 7), "picture sides must be multiples of 2, got [8, 7]"),
        ],
    )
    def test_pictures_refused(self, tiny: VQGAN, shape: tuple[int, ...], message: str) -> None:
        with pytest.raises(PictureShapeError) as caught:
            tiny.encode(torch.zeros(shape))
        assert str(caught.value) == message

    def test_uniforms_refused(self, tiny: VQGAN) -> None:
        with pytest.raises(PictureShapeError, match=r"uniforms must be \[1, 16\], got \[1, 15\]"):
            tiny.sample_codes(torch.zeros(1, 3, 8, 8), torch.zeros(1, 15))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"double_z": True}, "double_z"),
            ({"embed_dim": 8}, r"z_channels \(4\) must equal embed_dim \(8\)"),
            ({"ch": 33}, "multiple of 32"),
        ],
    )
    def test_configurations_refused(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(VQGANConfigError, match=message):
            VQGAN(**{**TINY, **change})

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (json.dumps({**TINY, "n_embed": -5}), "n_embed must be 1 to 1000000, not -5"),
            (json.dumps({**TINY, "ch_mult": []}), "ch_mult must have a width"),
            (json.dumps({**TINY, "ch": 32.0}), "ch must be a whole number, not 32.0"),
            (json.dumps({**TINY, "codes": 5}), "unknown keywords 'codes'$"),
            ("{", "not JSON: Expecting"),
            ("[" * 100_000, "nested too deeply"),
            ("", "the file is empty"),
            (json.dumps({"ch": 32}), "missing keywords num_res_blocks, resolution, .*, ch_mult, attn_resolutions$"),
            (json.dumps({**TINY, "ch_mult": [1] * 20}), "ch_mult must be a list of at most 8 .*, not a list of 20"),
            (
                json.dumps({**TINY, "ch_mult": [1, 10**400]}),
                "an entry of ch_mult must be 1 to 64, not a number",
            ),
            (json.dumps({**TINY, "ch": 10**9}), "ch must be 1 to 4096"),
            (json.dumps({**TINY, "attn_resolutions": 5}), "attn_resolutions must be a list"),
            (json.dumps({**TINY, "dropout": float("nan")}), "dropout must be a number in"),
            (json.dumps({**TINY, "wavelet": "no"}), "wavelet must be true or false, not 'no'"),
        ],
        ids=range(14),
    )
    def test_configuration_files_refused_by_name(self, tmp_path: Path, content: str, complaint: str) -> None:
        path = tmp_path / "config.json"
        path.write_text(content)
        with pytest.raises(VQGANConfigError, match=complaint) as caught:
            read_vqgan_config(path)
        assert str(caught.value).startswith(f"{path}: ")
