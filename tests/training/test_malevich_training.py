"""Training of the tiny ruDALL-E: what it is given, a run that learns, and its command."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from models.bpe import BPE
from models.dalle import Dalle, load_dalle
from models.named_folders import fetched_folder
from training.__main__ import main
from training.malevich import TINY, Drawings, held_out_loss, ids_of, train
from training.recipes import MalevichRecipe

BUNDLED = Path(__file__).parents[2] / "weights"
OTHER_BPE = Path(__file__).parents[1] / "golden" / "models" / "bpe_small_256.model"
COLOURS = {"красный": "red", "зелёный": "green", "синий": "blue", "чёрный": "black"}
SMALL = replace(TINY, num_layers=2, hidden_size=32, num_attention_heads=2, image_tokens_per_dim=4)


@pytest.fixture(scope="module")
def bpe() -> BPE:
    return BPE(BUNDLED / "bpe.model")


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    """Every word has a code of its own, all over its picture."""
    codes = torch.arange(10, 10 + len(COLOURS)).repeat(4)[:, None].expand(-1, 16)
    return Drawings(codes, tuple((f"{word} фон", f"фон {word}") for word in list(COLOURS) * 4))


def test_ids_are_a_caption_and_its_codes(drawings: Drawings, bpe: BPE) -> None:
    first = ids_of(drawings, [1, 2], bpe, 24, None)
    assert first.shape == (2, 40)
    assert first[0, :24].tolist() == [2, *bpe.encode("зелёный фон"), 3, *[0] * (22 - len(bpe.encode("зелёный фон")))]
    assert first[:, 24:].tolist() == [[11] * 16, [12] * 16]
    any_caption = {tuple(ids_of(drawings, [1], bpe, 24, random.Random(seed))[0].tolist()) for seed in range(8)}
    assert len(any_caption) == 2


def test_a_run_learns_which_picture_a_text_has(drawings: Drawings, bpe: BPE) -> None:
    torch.manual_seed(0)
    model, lines = Dalle(SMALL), list[str]()
    recipe = MalevichRecipe(steps=40, batch=8, learning_rate=2e-2, report_every=20)
    train(model, recipe, drawings, drawings, bpe, lines.append)
    assert held_out_loss(model, drawings, bpe)["image"] < 2  # 6.9 at first
    assert [line.split("  ")[0] for line in lines] == ["step 20", "step 40"]
    assert not model.training


def test_the_command_writes_what_abilities_read(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "captioning"
    (folder / "images").mkdir(parents=True)
    for split in ("train", "val"):
        asked, truths = {}, {}
        for number, (word, colour) in enumerate(COLOURS.items()):
            Image.new("RGB", (64, 64), colour).save(folder / "images" / f"{number}.png")
            picture = {"type": "image", "content": f"images/{number}.png"}
            asked[number] = [{"type": "text", "content": "Опиши."}, picture]
            truths[number] = [{"type": "text", "content": [f"{word} фон"]}]
        (folder / f"captioning_{split}.json").write_text(json.dumps(asked))
        (folder / f"captioning_{split}_answer.json").write_text(json.dumps(truths))
    output = tmp_path / "dalle"
    command = ["malevich", "--data", str(tmp_path / "data"), "--weights", str(BUNDLED), "--output", str(output)]
    assert main([*command, "--steps", "2", "--batch", "2", "--emissions", "none"]) == 0
    assert load_dalle(output).config == TINY
    record = json.loads((output / "training.json").read_text())
    assert record["recipe"]["steps"] == 2
    assert record["pictures"] == 4
    assert set(record["validation"]) == {"text", "image", "ruclip_of_drawn", "ruclip_of_true", "ruclip_of_others"}
    assert record["emissions"] is None
    assert not list(tmp_path.rglob("*.csv"))


def test_weights_that_are_not_there_or_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    command = ["malevich", "--data", "data", "--output", "out", "--weights"]
    assert main([*command, "ai-forever/rudalle-Malevich"]) == 2
    assert "python -m fetch weights rudalle-Malevich" in capsys.readouterr().err
    fetched = fetched_folder("weights", "rudalle-Malevich")
    fetched.mkdir(parents=True)
    (fetched / "vqgan").symlink_to(BUNDLED / "vqgan")
    (fetched / "bpe.model").write_bytes(OTHER_BPE.read_bytes())
    assert main([*command, "rudalle-Malevich"]) == 2
    assert "bpe.model has 256 pieces, but ruDALL-E's vocabulary has 1024" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_world_without_pictures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["malevich", "--data", str(tmp_path), "--weights", str(BUNDLED), "--output", str(tmp_path / "out")]
    assert main(command) == 2
    assert "no train pairs of caption and picture" in capsys.readouterr().err
