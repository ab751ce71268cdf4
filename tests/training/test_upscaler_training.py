"""Training of the tiny upscaler: what it is given, a run that learns, and its command."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from contest.emissions.rows import read_rows
from models.rrdbnet import RRDBNet, load_rrdbnet
from training.__main__ import main
from training.pictures import Pictures
from training.recipes import UpscalerRecipe
from training.upscaler import made_small, measured, psnr, train

SMALL = {"num_feat": 8, "num_block": 1, "num_grow_ch": 4}


def squares(count: int, side: int, seed: int) -> Tensor:
    """Bright squares on dark ground: uint8 `[count, 3, side, side]`."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.full((count, 3, side, side), 30, dtype=torch.uint8)
    for picture in pictures:
        top, left = torch.randint(side // 2, (2,), generator=generator).tolist()
        picture[:, top : top + side // 2, left : left + side // 2] = 220
    return pictures


def test_small_pictures_are_levels_of_a_file() -> None:
    small = made_small(squares(2, 16, 0).float() / 255, 4)
    assert small.shape == (2, 3, 4, 4)
    assert torch.equal((small * 255).round() / 255, small)
    flat = torch.full((1, 3, 8, 8), 100 / 255)
    assert torch.equal(made_small(flat, 2), flat[:, :, :4, :4])


def test_psnr_in_decibels() -> None:
    assert psnr(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.1)) == pytest.approx(20.0, abs=1e-4)
    assert psnr(torch.full((1, 3, 2, 2), 7.0), torch.ones(1, 3, 2, 2)) == float("inf")  # beyond white is white


def test_a_run_learns() -> None:
    pictures, held_out = Pictures({"squares": squares(64, 16, 0)}), squares(8, 16, 1).float() / 255
    found: dict[int, float] = {}
    for steps in (1, 60):
        network, lines = RRDBNet(scale=2, **SMALL), list[str]()
        recipe = UpscalerRecipe(steps=steps, batch=8, learning_rate=4e-3, report_every=30)
        train(network, recipe, pictures, held_out, lines.append)
        found[steps] = measured(network, held_out)["psnr"]
    assert found[60] > found[1] + 5
    assert [line.split("  ")[0] for line in lines] == ["step 30", "step 60"]


def test_the_command_writes_what_abilities_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task in ("captioning", "text_recognition"):
        folder = tmp_path / "data" / task
        (folder / "images").mkdir(parents=True)
        picture = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(picture).rectangle((8, 8, 40, 40), "black")
        picture.save(folder / "images" / "0.png")
        asked = {"0": [{"type": "text", "content": "Опиши."}, {"type": "image", "content": "images/0.png"}]}
        for split in ("train", "val"):
            (folder / f"{task}_{split}.json").write_text(json.dumps(asked))
    output = tmp_path / "rrdbnet_x8"
    command = ["upscaler", "--data", str(tmp_path / "data"), "--output", str(output), "--scale", "8"]
    assert main([*command, "--steps", "2", "--batch", "2", "--country", "fr", "--tdp-watts", "10"]) == 0
    assert load_rrdbnet(output).scale == 8
    record = json.loads((output / "training.json").read_text())
    assert record["pictures"] == {"scenes": 1, "signs": 1}
    assert set(record["validation"]) == {"psnr", "bicubic_psnr"}
    emissions = record["emissions"]
    (row,) = read_rows(output / "emissions.csv")
    assert row.description.startswith("upscaler x8; ")
    assert row.description.endswith(" parameters; 2 steps")
    assert (emissions["status"], emissions["country"]) == ("measured", "FR")
    assert emissions["co2_kg"] == pytest.approx(row.co2_kg)
    assert emissions["energy_kwh"] == pytest.approx(row.energy_kwh)
    assert emissions["own_co2_kg"] == pytest.approx(sum(each["co2_kg"] for each in emissions["readings"]))
    assert 0 < emissions["own_co2_kg"] < emissions["own_energy_kwh"]  # France: 0.07 kg a kWh
    assert "emissions measured: " in capsys.readouterr().err
    assert main([*command, "--steps", "1", "--batch", "2", "--quiet"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith("upscaler: ")  # the result is told all the same
