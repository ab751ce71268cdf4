"""Abilities as people call them: files in, files out, and what is said of bad input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from abilities.__main__ import main
from abilities.gallery import contact_sheet
from models.dalle import Config, Dalle, load_dalle
from models.rrdbnet import RRDBNet
from models.vqgan import load_vqgan
from models.weights import save_safetensors

ROOT = Path(__file__).parents[2]
BUNDLED = ROOT / "weights"
TEXT = "красный круг на белом фоне"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled networks, and a ruDALL-E and an upscaler that have learnt nothing."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copy(BUNDLED / "bpe.model", folder)
    for name in ("vqgan", "ruclip", "rudolph"):
        (folder / name).symlink_to(BUNDLED / name)
    torch.manual_seed(0)
    config = Config(
        num_layers=2,
        hidden_size=16,
        num_attention_heads=2,
        vocab_size=1024 + 16,
        text_seq_length=16,
        image_tokens_per_dim=8,
        image_vocab_size=1024,
    )
    networks = {
        "dalle": Dalle(config),
        "rrdbnet_x2": RRDBNet(scale=2, num_feat=4, num_block=1, num_grow_ch=2),
        "rrdbnet_x4": RRDBNet(scale=4, num_feat=4, num_block=1, num_grow_ch=2),
    }
    for name, network in networks.items():
        (folder / name).mkdir()
        save_safetensors(network, folder / name / "model.safetensors")
    config.save(folder / "dalle" / "config.json")
    return folder


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_dream_draws_chooses_and_enlarges(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, listed = tmp_path / "out", tmp_path / "dream.json"
    command = ["dream", TEXT, "--weights", str(weights), "--output", str(output), "--json", str(listed)]
    assert main([*command, "--count", "5", "--keep", "2", "--batch", "2", "--device", "cpu"]) == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "all_contact_sheet.png",
        "contact_sheet.png",
        "picture_1.png",
        "picture_1_x4.png",
        "picture_2.png",
        "picture_2_x4.png",
    ]
    assert size_of(output / "picture_1.png") == (64, 64)
    assert size_of(output / "picture_1_x4.png") == (256, 256)
    assert size_of(output / "contact_sheet.png") == (2 * 256 + 12, 256 + 8)
    told = json.loads(listed.read_text())
    assert {key: told[key] for key in ("text", "drawn", "upscale", "seed")} == {
        "text": TEXT,
        "drawn": 5,
        "upscale": 4,
        "seed": 0,
    }
    assert [entry["enlarged"] for entry in told["pictures"]] == ["picture_1_x4.png", "picture_2_x4.png"]
    first, second = (entry["ruclip_score"] for entry in told["pictures"])
    assert -1 <= second <= first <= 1
    assert f"2 pictures of 5, the best first: {output}" in capsys.readouterr().out


def test_the_same_seed_draws_the_same_at_any_batch(weights: Path, tmp_path: Path) -> None:
    def drawn(name: str, *more: str) -> NDArray[np.int64]:
        command = ["dream", TEXT, "--weights", str(weights), "--output", str(tmp_path / name), "--quiet"]
        assert main([*command, "--count", "3", "--keep", "1", "--upscale", "1", "--device", "cpu", *more]) == 0
        assert sorted(path.name for path in (tmp_path / name).glob("picture*")) == ["picture_1.png"]
        return np.asarray(Image.open(tmp_path / name / "all_contact_sheet.png")).astype(np.int64)

    first = drawn("a")
    # The codes are the same; the picture tokenizer rounds a pixel otherwise here and there in another batch.
    assert np.abs(first - drawn("b", "--batch", "2")).max() <= 1
    assert np.abs(first - drawn("d", "--window", "4")).max() <= 1
    assert np.abs(first - drawn("c", "--seed", "1")).mean() > 10


@pytest.mark.parametrize("model", ["rudolph", "dalle"])
def test_draw_keeps_the_best_drafts(model: str, weights: Path, tmp_path: Path) -> None:
    output, listed = tmp_path / "out", tmp_path / "drawn.json"
    command = ["draw", TEXT, "--model", model, "--weights", str(weights), "--output", str(output), "--quiet"]
    assert main([*command, "--count", "2", "--drafts", "3", "--json", str(listed), "--device", "cpu"]) == 0
    told = json.loads(listed.read_text())
    score = {"rudolph": "text_and_image_score", "dalle": "perplexity"}[model]
    scores = [entry[score] for entry in told["pictures"]]
    assert scores == sorted(scores)
    assert [entry["file"] for entry in told["pictures"]] == ["picture_1.png", "picture_2.png"]
    assert {size_of(output / entry["file"]) for entry in told["pictures"]} == {(64, 64)}


def half_white(path: Path, size: tuple[int, int], left: int) -> Path:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, left:] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("command", ["draw", "complete"])
@pytest.mark.parametrize("way", ["borders", "crop_first", "mask"])
def test_a_part_of_a_picture_is_kept(way: str, command: str, weights: Path, tmp_path: Path) -> None:
    colours = np.zeros((64, 64, 3), np.uint8)
    colours[:, :32] = (220, 30, 30)
    colours[:, 32:] = (30, 30, 220)
    Image.fromarray(colours).save(tmp_path / "picture.png")
    mask = half_white(tmp_path / "mask.png", (64, 64), 32)
    part = {
        "borders": ["--keep-left", "4"],
        "crop_first": ["--keep-left", "4", "--crop-first"],
        "mask": ["--mask", str(mask)],
    }[way]
    picture = str(tmp_path / "picture.png")
    asked = {"draw": ["draw", TEXT, "--picture", picture], "complete": ["complete", picture, TEXT]}[command]
    shared = ["--weights", str(weights), "--output", str(tmp_path / "out"), "--quiet", "--device", "cpu"]
    assert main([*asked, "--model", "dalle", "--count", "1", *part, *shared]) == 0
    drawn = np.asarray(Image.open(tmp_path / "out" / "picture_1.png")).astype(int)
    assert np.abs(drawn[:, :24] - (220, 30, 30)).mean() < 30  # kept, as far as the codes and their neighbours allow
    assert np.abs(drawn[:, 40:] - (30, 30, 220)).mean() > 40  # drawn anew, by a network that has learnt nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw", TEXT, "--count", "0"], "must be a whole number from 1 to 10000, not '0'"),
        (["dream", TEXT, "--count", "0"], "must be a whole number from 1 to 10000, not '0'"),
        (["complete", "{black}", " ", "--keep-up", "1"], "the text to draw is empty; say what to draw"),
        (["complete", "{black}", TEXT, "--mask", "{small}"], "make it as large as the picture"),
        (["complete", "{black}", TEXT, "--mask", "{text}"], "NOT_A_PICTURE"),
        (
            ["complete", "no.png", TEXT, "--keep-up", "1"],
            "no.png: there is no such file; check the path",
        ),
        (["dream", " "], "abilities dream: error [USAGE] the text to draw is empty; say what to draw"),
        (["dream", TEXT, "--count", "2"], "of 2 pictures, 3 can not be kept; raise --count or lower --keep"),
        (["dream", TEXT, "--upscale", "8"], "rrdbnet_x8: no such folder"),
        (["dream", TEXT, "--device", "tpu"], "--device tpu: no such device; use auto, cpu or cuda"),
        (["draw", TEXT, "--count", "4", "--drafts", "3"], "of 3 drafts, 4 pictures can not be kept; raise --drafts"),
        (["draw", TEXT, "--keep-up", "1"], "a part is to be kept, of no picture; name the picture with --picture"),
        (["draw", TEXT, "--picture", "{text}"], "a picture needs either --mask or some of --keep-up"),
        (
            ["draw", TEXT, "--picture", "{black}", "--keep-up", "99"],
            "all 8 x 8 codes of the picture would be kept, and nothing drawn; keep fewer of them",
        ),
        (["complete", "{black}", TEXT], "a picture needs either --mask or some of --keep-up"),
        (["complete", "{text}", TEXT, "--keep-up", "1"], "NOT_A_PICTURE"),
        (["draw", TEXT, "--guidance", "0.2", "--model", "dalle"], "only RUDOLPH is guided by a second text"),
        (["draw", TEXT, "--guidance", "0.2", "--window", "4"], "with --guidance codes are drawn one by one"),
        (["draw", TEXT, "--window", "0"], "must be a whole number from 1 to 64, not '0'"),
        (["draw", TEXT, "--guidance-text", "круг"], "a second text draws along with no share; add --guidance SHARE"),
        (["draw", TEXT, "--picture", "{text}", "--keep-up", "1"], "NOT_A_PICTURE"),
        (
            ["draw", TEXT, "--picture", "{black}", "--mask", "{small}"],
            "the mask has 8 x 8 pixels, and the picture 16 x 16",
        ),
        (["draw", TEXT, "--picture", "{black}", "--mask", "{black}"], "nothing in it is white"),
        (["draw", TEXT, "--picture", "{black}", "--mask", "{black}", "--crop-first"], "--crop-first goes with borders"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    arguments: list[str], message: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("text", "black", "small")}
    files["text"].write_text("no picture")
    half_white(files["black"], (16, 16), 16)
    half_white(files["small"], (8, 8), 0)
    words = [word.format(**files) for word in arguments]
    try:
        status = main([*words, "--weights", str(weights), "--output", str(tmp_path / "out")])
    except SystemExit as ended:  # as argparse ends a process
        status = int(str(ended.code))
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_json_without_its_folder_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("abilities.draw_command._check", lambda *arguments: pytest.fail("the work has begun"))
    drawn = ["draw", TEXT, f"--output={tmp_path / 'out'}"]
    assert main([*drawn, f"--json={tmp_path / 'missing/drawn.json'}"]) == 2
    assert "drawn.json: not written" in capsys.readouterr().err
    with pytest.raises(pytest.fail.Exception, match="begun"):
        main([*drawn, f"--json={tmp_path / 'out/drawn.json'}"])  # in the folder that is to be made


def test_an_overflow_names_other_precisions(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "weights"
    shutil.copytree(weights, broken, symlinks=True)
    model = load_dalle(broken / "dalle")
    model.to_logits[1].bias.data.fill_(torch.inf)
    save_safetensors(model, broken / "dalle" / "model.safetensors")
    command = ["draw", TEXT, "--model", "dalle", "--weights", str(broken), "--output", str(tmp_path / "out")]
    assert main([*command, "--count", "1", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "logits were not finite in float32: the weights themselves are at fault; no other precision helps" in said


def test_a_picture_tokenizer_that_is_not_finite_is_refused(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "weights"
    shutil.copytree(weights, broken, symlinks=True)
    vqgan = load_vqgan(broken / "vqgan")
    vqgan.post_quant_conv.bias.data.fill_(torch.nan)
    (broken / "vqgan").unlink()
    shutil.copytree(BUNDLED / "vqgan", broken / "vqgan")
    save_safetensors(vqgan, broken / "vqgan" / "model.safetensors")
    for model in ("rudolph", "dalle"):
        command = ["draw", TEXT, "--model", model, "--weights", str(broken), "--output", str(tmp_path / "out")]
        assert main([*command, "--device", "cpu"]) == 2
        assert "post_quant_conv.bias holds NaN or Infinity" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_pictures_of_before_are_not_overwritten(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "picture_1.png").write_text("mine")
    assert main(["draw", TEXT, "--weights", str(weights), "--output", str(tmp_path), "--count", "1"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["picture_1.png"]


def test_a_sheet_shows_every_picture() -> None:
    pictures = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    sheet = contact_sheet(pictures)
    assert sheet.shape == (2 * 6 + 4, 3 * 7 + 4, 3)
    assert [int(sheet[4 + 6 * row, 4 + 7 * column, 0]) for row in range(2) for column in range(3)] == [
        10,
        20,
        30,
        40,
        50,
        255,
    ]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, importlib\n"
        "from abilities.__main__ import PROGRAM\n"
        "for command in PROGRAM.commands.values(): importlib.import_module(command.module)\n"
        "print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
