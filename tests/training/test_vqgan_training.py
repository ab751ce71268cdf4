"""The picture tokenizer's training: its codebook, what it writes, and that it learns."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from models.vqgan import VQGAN, load_vqgan
from training.__main__ import main as training_command
from training.codebook import MovingAverageCodebook, export_codebook
from training.pictures import PictureDataError, Pictures, read_pictures
from training.recipes import VqganRecipe
from training.vqgan import picture_loss, psnr_and_codes, train, write_vqgan

SMALL: dict[str, Any] = {
    "ch": 32,
    "ch_mult": [1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "resolution": 8,
    "z_channels": 4,
    "embed_dim": 4,
    "n_embed": 16,
}


def made_up_pictures(amount: int, side: int, seed: int) -> Tensor:
    """Two flat halves of random colours."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(0, 256, (amount, 3, 2, 1, 1), generator=generator, dtype=torch.uint8)
    return colours.expand(-1, -1, -1, side // 2, side).flatten(2, 3).contiguous()  # [n, 3, side, side]


@pytest.fixture(scope="module")
def made_up() -> Pictures:
    return Pictures({"scenes": made_up_pictures(12, 8, 0), "signs": made_up_pictures(12, 8, 1)})


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Folders as data_prep writes them: two training and one validation picture in each."""
    for seed, task in enumerate(("captioning", "text_recognition")):
        folder = tmp_path / "world" / task
        (folder / "images").mkdir(parents=True)
        for index, pixels in enumerate(made_up_pictures(3, 64, seed)):
            picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
            picture.save(folder / "images" / f"{index:05d}.jpg", quality=95)
        for split, indices in (("train", (0, 1)), ("val", (2,))):
            prompts = {
                str(i): [{"type": "text", "content": "?"}, {"type": "image", "content": f"images/{i:05d}.jpg"}]
                for i in indices
            }
            (folder / f"{task}_{split}.json").write_text(json.dumps(prompts), encoding="utf-8")
    return tmp_path / "world"


class TestTraining:
    def test_learns_and_repeats(self, made_up: Pictures) -> None:
        recipe = VqganRecipe(steps=60, batch=8, report_every=20)
        network, reports = train(recipe, SMALL, made_up, made_up, lambda _: None)
        assert [report.step for report in reports] == [20, 40, 60]
        assert reports[-1].loss < 0.6 * reports[0].loss
        assert all(codes > 1 for codes in reports[-1].codes.values())
        again, _ = train(recipe, SMALL, made_up, made_up, lambda _: None)
        for name, value in network.state_dict().items():
            assert torch.equal(value, again.state_dict()[name])

    def test_warm_up_is_reported_without_codes(self, made_up: Pictures) -> None:
        recipe = VqganRecipe(steps=4, batch=4, plain=0.5, report_every=2)
        _, reports = train(recipe, SMALL, made_up, made_up, lambda _: None)
        assert [max(report.codes.values()) > 0 for report in reports] == [False, True]

    @pytest.mark.parametrize(("step", "rate"), [(0, 1e-3 / 100), (500, 0.51e-3), (1000, 0.02e-3)])
    def test_learning_rate(self, step: int, rate: float) -> None:
        assert VqganRecipe(steps=1000, learning_rate=1e-3).learning_rate_at(step) == pytest.approx(rate)

    @pytest.mark.parametrize("wrong", [{"steps": 1}, {"batch": 1}, {"signs": 1.0}, {"plain": 1.0}, {"report_every": 0}])
    def test_recipes_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="should be"):
            VqganRecipe(**wrong)

    def test_picture_loss(self) -> None:
        pictures = torch.full((1, 3, 4, 4), 0.5)
        assert picture_loss(torch.zeros(1, 3, 4, 4), pictures, 0.5).item() == 0
        # an offset of 0.5 has no edges: 0.5 + 0.25
        assert picture_loss(torch.full((1, 3, 4, 4), 0.5), pictures, 0.5).item() == pytest.approx(0.75)

    def test_psnr(self) -> None:
        network = VQGAN(**SMALL).eval()
        pictures = made_up_pictures(3, 8, 0)
        psnr, codes = psnr_and_codes(network, pictures, quantised=True)
        with torch.no_grad():
            images = pictures.float() / 255
            error = (network.decode(network.encode(images)) - images).square().mean().item()
            assert psnr == pytest.approx(-10 * math.log10(error), abs=1e-4)
            assert codes == len(network.encode(images).unique())


class TestCodebook:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 8.0]))
    def test_exported_argmax_is_the_nearest_vector(self, seed: int, scale: float) -> None:
        torch.manual_seed(seed)
        network = VQGAN(**SMALL).eval()
        export_codebook(torch.randn(16, 4) * scale, network)
        with torch.no_grad():
            images = torch.rand(2, 3, 8, 8)
            latents = network.latents(images).double().permute(0, 2, 3, 1).reshape(2, 16, 4)
            distances = torch.cdist(latents, network.quantize.embed.weight.double().expand(2, -1, -1))
            codes = network.encode(images)
        chosen = distances.gather(2, codes.unsqueeze(2)).squeeze(2)
        torch.testing.assert_close(chosen, distances.amin(2), atol=1e-5, rtol=1e-5)  # equal but for rounding of ties

    def test_nearest(self) -> None:
        codebook = MovingAverageCodebook(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]))
        latents = torch.tensor([[0.9, 0.0], [1.1, 0.0], [0.0, 5.0], [-1.0, -1.0]])
        assert codebook.nearest(latents).tolist() == [0, 1, 2, 0]

    def test_codes_move_to_the_mean_of_their_latents(self) -> None:
        codebook = MovingAverageCodebook(torch.tensor([[0.0], [10.0]]), decay=0.5)
        latents = torch.tensor([[1.0], [3.0], [12.0]])
        for _ in range(40):
            codebook.update(latents, codebook.nearest(latents), generator=None)
        torch.testing.assert_close(codebook.vectors, torch.tensor([[2.0], [12.0]]))

    @pytest.mark.parametrize(("restart", "moved"), [(True, True), (False, False)])
    def test_dead_codes_restart_where_the_error_is(self, restart: bool, moved: bool) -> None:
        codebook = MovingAverageCodebook(torch.tensor([[0.0], [-100.0]]), decay=0.5)
        latents = torch.tensor([[0.0], [0.0], [9.0]])
        generator = torch.Generator().manual_seed(0) if restart else None
        for _ in range(4):
            codebook.update(latents, codebook.nearest(latents), generator)
        assert (9.0 in codebook.vectors.round().flatten().tolist()) is moved

    def test_too_few_latents(self) -> None:
        with pytest.raises(ValueError, match="16 codes need at least as many latents, got 8"):
            MovingAverageCodebook.from_latents(torch.zeros(8, 4), 16, torch.Generator())


class TestFiles:
    def test_written_network_keeps_its_codes(self, tmp_path: Path, made_up: Pictures) -> None:
        recipe = VqganRecipe(steps=20, batch=8)
        network, _ = train(recipe, SMALL, made_up, made_up, lambda _: None)
        write_vqgan(tmp_path / "vqgan", network, SMALL, {"seconds": 1})
        state = load_file(tmp_path / "vqgan" / "model.safetensors")
        single = {name for name, value in state.items() if value.dtype != torch.float16}
        assert single == {"quantize.proj.bias"}
        loaded = load_vqgan(tmp_path / "vqgan")
        assert torch.equal(loaded.quantize.proj.weight.squeeze(), 2 * loaded.quantize.embed.weight)
        assert torch.equal(loaded.quantize.proj.bias, -loaded.quantize.embed.weight.square().sum(1))
        images = made_up.kinds["signs"].float() / 255
        with torch.no_grad():
            assert (loaded.encode(images) == network.encode(images)).float().mean() > 0.95

    def test_command(self, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["vqgan", "--data", str(world), "--output", str(tmp_path / "out"), "--steps", "2", "--batch", "4"]
        assert training_command(arguments) == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "config.json",
            "model.safetensors",
            "training.json",
        ]
        record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
        assert record["command"] == "python -m training " + " ".join(arguments)
        assert record["recipe"]["steps"] == 2
        assert record["pictures"] == {"scenes": 2, "signs": 2}
        assert record["psnr"].keys() == record["codes"].keys() == {"scenes", "signs"}
        assert [point["step"] for point in record["curve"]] == [2]
        # well within the 2.8 MB that the bundled file may have
        assert (tmp_path / "out" / "model.safetensors").stat().st_size < 2_600_000
        assert capsys.readouterr().out.startswith("2 scenes, 2 signs\nstep 2 ")

    def test_command_without_data(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert training_command(["vqgan", "--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
        assert "no train pictures of captioning or vqa" in capsys.readouterr().err

    def test_command_that_can_not_write_says_so_before_training(
        self, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out").write_text("a file")
        assert training_command(["vqgan", "--data", str(world), "--output", str(tmp_path / "out")]) == 2
        printed = capsys.readouterr()
        assert "out" in printed.err
        assert "step" not in printed.out


class TestPictures:
    def test_splits_are_kept_apart(self, world: Path) -> None:
        assert {kind: len(p) for kind, p in read_pictures(world, "train", 64).kinds.items()} == {
            "scenes": 2,
            "signs": 2,
        }
        held_out = read_pictures(world, "val", 64).kinds["scenes"]
        with Image.open(world / "captioning" / "images" / "00002.jpg") as picture:
            assert np.array_equal(held_out[0].permute(1, 2, 0).numpy(), np.array(picture))

    def test_most(self, world: Path) -> None:
        assert len(read_pictures(world, "train", 64, most=1).kinds["scenes"]) == 1

    def test_wrong_size(self, world: Path) -> None:
        with pytest.raises(PictureDataError, match=r"00000\.jpg: expected 32 x 32 pixels, got 64 x 64"):
            read_pictures(world, "train", 32)

    def test_batches_follow_the_amounts(self, made_up: Pictures) -> None:
        flat = Pictures(
            {kind: torch.full_like(p, v) for (kind, p), v in zip(made_up.kinds.items(), (0, 255), strict=True)}
        )
        batch = flat.batch({"scenes": 1, "signs": 3}, torch.Generator().manual_seed(0))
        assert batch.mean(dim=(1, 2, 3)).tolist() == [0, 1, 1, 1]

    def test_empty_kind(self) -> None:
        with pytest.raises(PictureDataError, match="signs: expected"):
            Pictures({"signs": torch.zeros(0, 3, 8, 8, dtype=torch.uint8)})


class TestDispatch:
    @pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nonsense"], 2), (["--help"], 0)])
    def test_usage(self, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            training_command(arguments)
        assert ended.value.code == code
        printed = capsys.readouterr()
        if code:
            assert printed.err.startswith("training: error [USAGE] ")
        else:
            commands = [line.split()[0] for line in printed.out.splitlines() if line.startswith("    ")]
            assert commands[:1] == ["tune"]
