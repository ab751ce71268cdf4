"""Settings that can not be used are named by file and key, before anything is loaded."""

import re
from pathlib import Path

import pytest

from training.__main__ import main as training
from training.tune.settings import SettingsError, read_settings

FILE = "data: data\nweights: weights\nout: out\ntasks: {textqa: {}, vqa: {}}\n"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("learning_rate=.nan", "learning_rate: must be positive and finite"),
        ("learning_rate=.inf", "learning_rate: must be positive and finite"),
        ("clip=.nan", "clip: must be positive"),
        ("weight_decay=.nan", "weight_decay: must be at least 0 and finite"),
        ("weight_decay=.inf", "weight_decay: must be at least 0 and finite"),
        ("weight_decay=-1", "weight_decay: must be at least 0 and finite"),
        ("lora.alpha=.nan", "lora.alpha: must be positive and finite"),
        ("seed=20261121210000", "seed: must lie in"),
        ("seed=-20261121210000", "seed: must lie in"),
        ("tasks.vqa.share=.nan", "tasks.vqa.share: must be positive and finite"),
        ("tasks.vqa.share=.inf", "tasks.vqa.share: must be positive and finite"),
        ("tasks.vqa.weight=.nan", "tasks.vqa.weight: must be at least 0 and finite"),
        ("tasks.vqa.left=.inf", "tasks.vqa.left: must be at least 0 and finite"),
        ("tasks.vqa.image=-1", "tasks.vqa.image: must be at least 0 and finite"),
        ("tasks.vqa.left=0 tasks.vqa.image=0 tasks.vqa.right=0", "tasks.vqa: needs a positive segment weight"),
        ("tasks.vqa.weight=0 tasks.textqa.weight=0", "tasks: has weight 0 for every task"),
        ("tasks=[vqa]", "Cannot merge"),
    ],
)
def test_what_can_not_be_used_is_named(
    override: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    with pytest.raises(SettingsError, match=re.escape(f"{path}: {complaint}")):
        read_settings(path, override.split())
    assert training(["tune", "--config", str(path), *override.split()]) == 2
    assert f"tune: {path}: {complaint}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "override", ["seed=424243", "seed=-5", "seed=1099511627776", "clip=.inf", "tasks.vqa.weight=0"]
)
def test_what_can_be_used_is_taken(override: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    read_settings(path, [override])
