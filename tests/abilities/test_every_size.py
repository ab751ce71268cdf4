"""Every ability on every published layout: vocabularies, special tokens, lengths and grid as published, thin layers.

The published widths and depths are planned, not run: `docs/abilities.md` has what the plan says.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from abilities.__main__ import main
from contest.writing import write_json
from models.rudolph import Config, Rudolph
from models.rudolph.config import SIZES
from models.rudolph.memory_plan import GPU, answering, drawing, plan, ranking, weight_bytes
from models.vqgan import VQGAN
from models.weights import save_safetensors
from tests.published_tokenizer import bpe_model

FIRST = "350M, first"
LAYOUTS = {
    FIRST: replace(SIZES["350M"], text_special_tokens=0, image_special_tokens=0),
    **{name: SIZES[name] for name in ("350M", "1.3B", "2.7B")},  # 2.7B-FBC2 has the layout of 2.7B
}
TEXT = "一丁"
PICTURE_TOKENIZER: dict[str, Any] = {
    "ch": 32,
    "ch_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "resolution": 64,
    "z_channels": 8,
    "embed_dim": 8,
    "n_embed": 8192,
}
Weights = Callable[[str], Path]
PAGE = Path(__file__).parents[2] / "docs" / "abilities.md"
CARD = 24 * 10**9  # bytes of the card that the page plans for


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp("weights")
        (folder / "bpe.model").write_bytes(bpe_model())
        for part in ("rudolph", "vqgan"):
            (folder / part).mkdir()
        torch.manual_seed(0)
        config = replace(LAYOUTS[name], num_layers=3, hidden_size=8, num_attention_heads=1)
        config.save(folder / "rudolph" / "config.json")
        save_safetensors(Rudolph(config), folder / "rudolph" / "model.safetensors")
        write_json(folder / "vqgan" / "config.json", PICTURE_TOKENIZER)
        save_safetensors(VQGAN(**PICTURE_TOKENIZER), folder / "vqgan" / "model.safetensors")
        return folder

    return made


COMMANDS = {
    "draw": ["draw", TEXT, "--count", "1", "--drafts", "2", "--output", "{out}"],
    "guided": ["draw", TEXT, "--count", "1", "--output", "{out}", "--guidance", "0.2", "--guidance-text", "且"],
    "complete": ["complete", "{picture}", TEXT, "--keep-up", "{all but one}", "--count", "1", "--output", "{out}"],
    "caption": ["caption", "{picture}", "--count", "2", "--drafts", "2"],
    "classify": ["classify", "{picture}", "--classes", "丁,七,万", "--template", "一 {}"],
    "rank pictures": ["rank", "{picture}", "{other}", "--text", TEXT],
    "rank texts": ["rank", "{picture}", "--text", TEXT, "--text", "丈三"],
    "write": ["write", TEXT, "--count", "2", "--drafts", "2"],
}
QUICK = {(FIRST, command) for command in COMMANDS if command not in ("draw", "guided")}
CASES = [
    pytest.param(name, command, marks=() if (name, command) in QUICK else pytest.mark.slow)
    for name in LAYOUTS
    for command in COMMANDS
]


@pytest.mark.parametrize(("name", "command"), CASES)
def test_every_ability_on_every_layout(
    name: str, command: str, weights: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config: Config = LAYOUTS[name]
    side = 8 * config.image_tokens_per_dim
    for file, colour in (("picture.png", "red"), ("other.png", "blue")):
        Image.new("RGB", (side, side), colour).save(tmp_path / file)
    words = {
        "{out}": str(tmp_path / "out"),
        "{picture}": str(tmp_path / "picture.png"),
        "{other}": str(tmp_path / "other.png"),
        "{all but one}": str(config.image_tokens_per_dim - 1),
    }
    listed = tmp_path / "told.json"
    shared = ["--tokens", "pre-trained", "--weights", str(weights(name)), "--json", str(listed), "--device", "cpu"]
    assert main([*(words.get(word, word) for word in COMMANDS[command]), *shared, "--quiet"]) == 0
    told = json.loads(listed.read_text("utf-8"))
    if command in ("draw", "guided", "complete"):
        with Image.open(tmp_path / "out" / "picture_1.png") as picture:
            assert picture.size == (side, side)
        assert len(told["pictures"]) == 1
    elif command in ("caption", "classify"):
        (entry,) = told["pictures"]
        key = {"caption": "captions", "classify": "perplexities"}[command]
        assert len(entry[key]) == {"caption": 2, "classify": 3}[command]
    else:
        assert len(told["texts" if command == "write" else "ranking"]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_page_says_what_is_planned_for_the_published_sizes(name: str) -> None:
    assert SIZES["2.7B-FBC2"] == SIZES["2.7B"]
    config, dtype = LAYOUTS[name], torch.bfloat16
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Rudolph(config).parameters())
    weights = weight_bytes(config, dtype)
    needs = [phase(config, dtype, 10**6) for phase in (drawing, ranking, answering)]
    planned = plan(CARD, needs, GPU, weights={"weights": weights}).phases
    assert all(phase.fits for phase in planned)
    row = " | ".join([f"{parameters:,}", f"{weights / 1e9:.2f} GB", *(str(phase.batch) for phase in planned)])
    shown = {"2.7B": "2.7B, 2.7B-FBC2"}.get(name, name)
    assert f"| {shown} | {row} |" in PAGE.read_text("utf-8")
