"""Pictures to codes and back, as `evaluation reconstruction` wants them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abilities.__main__ import main
from abilities.reconstruct_command import PICTURE_ENDINGS
from evaluation.reconstruction.pairs import PICTURE_ENDINGS as MEASURED_ENDINGS
from evaluation.reconstruction.pairs import find_pairs


def test_both_rooms_know_the_same_pictures() -> None:
    assert PICTURE_ENDINGS == MEASURED_ENDINGS


def test_a_folder_comes_back_under_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, listed = tmp_path / "photos", tmp_path / "about.json"
    (photos / "food").mkdir(parents=True)
    colours = {"a.png": (220, 30, 30), "food/b.jpg": (250, 250, 250), "c.webp": (255, 255, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (96, 80), colour).save(photos / name)
    (photos / "notes.txt").write_text("no picture")
    output = tmp_path / "rebuilt"
    command = ["reconstruct", str(photos), "--output", str(output), "--json", str(listed), "--batch", "2"]
    assert main([*command, "--device", "cpu", "--quiet"]) == 0
    assert [pair.name for pair in find_pairs(photos, output)] == ["a", "c", "food/b"]
    for name, colour in colours.items():
        pixels = np.asarray(Image.open((output / name).with_suffix(".png"))).astype(int)
        assert pixels.shape == (64, 64, 3)
        assert np.abs(pixels - colour).mean() < 30
    about = json.loads(listed.read_text())
    assert (about["pictures"], about["side"], about["codes"]) == (3, 64, 1024)
    assert 3 <= about["codes_used"] <= 3 * 64
    assert f"--originals {photos} --reconstructions {output}" in capsys.readouterr().out


def test_another_side(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40), "white").save(tmp_path / "photos" / "a.png")
    command = ["reconstruct", str(tmp_path / "photos"), "--output", str(tmp_path / "out"), "--side", "32"]
    assert main([*command, "--device", "cpu", "--quiet"]) == 0
    with Image.open(tmp_path / "out" / "a.png") as picture:
        assert picture.size == (32, 32)


@pytest.mark.parametrize("option", [["--seed", "1"], ["--dtype", "float16"]])
def test_options_without_effect_are_unknown(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconstruct", str(tmp_path), "--output", str(tmp_path / "out"), *option]) == 2
    assert f"unrecognized arguments: {' '.join(option)}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "more", "message"),
    [
        ([], [], "there is no picture; pictures end in .png"),
        (["a.png", "a.jpg"], [], "have one name; keep one of them"),
        (["a.png"], ["--side", "30"], "--side 30 is no multiple of 8, the pixels of a code"),
        (["a.png"], ["--weights", "RUDOLPH-9B"], "no published weights of that name"),
        (["no picture.png"], [], "[NOT_A_PICTURE]"),
        (None, [], "no such folder; name a folder of pictures"),
    ],
)
def test_bad_input_is_named(
    files: list[str] | None, more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    if files is not None:
        photos.mkdir()
    for name in files or ():
        if name.startswith("no"):
            (photos / name).write_text("text")
        else:
            Image.new("RGB", (16, 16)).save(photos / name)
    assert main(["reconstruct", str(photos), "--output", str(tmp_path / "out"), "--device", "cpu", *more]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said
    assert not list(tmp_path.glob("out/*"))
