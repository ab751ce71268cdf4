"""Training of the tiny ruCLIP: its data, its loss, and a run that learns."""

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from models.bpe import BPE
from models.ruclip import RuCLIP, RuCLIPConfig
from training import ruclip
from training.__main__ import main as training
from training.recipes import RuclipRecipe
from training.ruclip import PairBatches, PairDataError, contrastive_loss, read_pairs, retrieval, same_caption

BPE_FILE = Path(__file__).parents[1] / "golden" / "ruclip" / "bpe.model"
BUNDLED = Path(__file__).parents[2] / "weights" / "ruclip"
COLOURS = {"красный": "red", "зелёный": "green", "синий": "blue", "чёрный": "black", "белый": "white"}
SMALL = RuCLIPConfig(16, 64, 1, 64, 32, 24, 1200, 32, 2, 1, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def network() -> RuCLIP:
    return RuCLIP(SMALL, BPE(BPE_FILE))


def write_world(root: Path) -> Path:
    for task in ("captioning", "generation"):
        folder = root / task
        (folder / "images").mkdir(parents=True)
        for split in ("train", "val"):
            asked, truths = {}, {}
            for number, (word, colour) in enumerate(COLOURS.items()):
                Image.new("RGB", (64, 64), colour).save(folder / "images" / f"{number}.png")
                picture = {"type": "image", "content": f"images/{number}.png"}
                prompt = {"type": "text", "content": "Нарисуй картинку по описанию. " * (task == "generation")}
                caption = f"{word} фон"
                if task == "captioning":
                    asked[number] = [{"type": "text", "content": "Опиши."}, picture]
                    truths[number] = [{"type": "text", "content": [caption, f"{caption}."]}]
                else:
                    asked[number] = [prompt | {"content": prompt["content"] + caption}]
                    truths[number] = [picture]
            (folder / f"{task}_{split}.json").write_text(json.dumps(asked))
            (folder / f"{task}_{split}_answer.json").write_text(json.dumps(truths))
    return root


def test_pairs_are_captions_and_pictures_of_both_tasks(tmp_path: Path) -> None:
    pairs = read_pairs(write_world(tmp_path), "train", network())
    assert pairs.pictures.shape == (10, 3, 64, 64)
    assert pairs.captions[0] == ("красный фон", "красный фон.")
    assert pairs.captions[5] == ("красный фон",), "without the instruction"


def test_a_world_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PairDataError, match="python -m data_prep synthetic"):
        read_pairs(tmp_path, "train", network())


def test_pairs_that_share_a_caption_are_no_negatives() -> None:
    same = same_caption([("а", "б"), ("в",), ("б",)])
    assert same.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_the_loss_by_hand() -> None:
    images, texts = torch.eye(3), torch.eye(3)
    all_differ = torch.eye(3, dtype=torch.bool)
    expected = -math.log(math.e / (math.e + 2))
    assert contrastive_loss(images, texts, torch.tensor(0.0), all_differ).item() == pytest.approx(expected)
    two_alike = same_caption([("а",), ("а",), ("в",)])
    expected = (2 * -math.log(math.e / (math.e + 1)) - math.log(math.e / (math.e + 2))) / 3
    assert contrastive_loss(images, texts, torch.tensor(0.0), two_alike).item() == pytest.approx(expected)


@pytest.mark.parametrize("neighbours", [0.0, 0.5, 1.0])
def test_batches_repeat_nothing(neighbours: float) -> None:
    recipe = RuclipRecipe(batch=8, neighbours=neighbours)
    batches = PairBatches([(f"слово {n % 7} из {n}",) for n in range(30)], recipe, torch.Generator().manual_seed(0))
    for _ in range(5):
        drawn = batches.draw().tolist()
        assert len(drawn) == len(set(drawn)) == 8
        assert set(drawn) <= set(range(30))


def test_it_learns_and_writes_what_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ruclip, "TINY", SMALL)
    out = tmp_path / "out"
    options = ["--steps", "60", "--batch", "10", "--learning-rate", "0.003"]
    code = training(
        [
            "ruclip",
            "--data",
            str(write_world(tmp_path / "world")),
            "--bpe",
            str(BPE_FILE),
            "--output",
            str(out),
            *options,
        ]
    )
    assert code == 0, capsys.readouterr().err
    trained = RuCLIP.from_directory(out)
    held_out = read_pairs(tmp_path / "world", "val", trained)
    assert retrieval(trained, held_out)["text_to_image"] == 1
    assert json.loads((out / "training.json").read_text())["validation"]["image_to_text"] == 1


def test_bad_tokenizer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert training(["ruclip", "--data", str(tmp_path), "--bpe", str(BPE_FILE), "--output", str(tmp_path / "out")]) == 2
    assert "the tokenizer has 1200 pieces" in capsys.readouterr().err


def test_the_bundled_one_is_small_and_knows_colours() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 3_000_000
    bundled = RuCLIP.from_directory(BUNDLED)
    captions = [f"{word} квадрат на белом фоне" for word in ("красный", "синий", "зелёный")]
    pictures = []
    for colour in ("red", "blue", "green"):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(colour, (20, 20, 44, 44))
        pictures.append(bundled.preprocess(picture))
    cosines = bundled.image_latents(torch.stack(pictures)) @ bundled.text_latents(captions).T
    assert cosines.argmax(1).tolist() == [0, 1, 2]
