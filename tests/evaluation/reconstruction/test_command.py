"""The command `reconstruction`, with a network that stands in for Inception."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.__main__ import main
from evaluation.assets import Assets
from tests.evaluation.reconstruction.test_scoring import Averages, write_pictures


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "assets" / "inception").mkdir(parents=True)
    torch.save({"fc.weight": torch.randn(1008, 12)}, tmp_path / "assets/inception/inception.pth")
    monkeypatch.setattr(Assets, "features", lambda self, kind, **_: Averages())
    return tmp_path / "assets"


def test_table_and_file(tmp_path: Path, assets: Path, capsys: Any) -> None:
    before, after = write_pictures(tmp_path, 3)
    (tmp_path / "domains.json").write_text('{"00.png": ["face"], "01": "zoo"}')
    folders = ["--originals", str(before), "--reconstructions", str(after), "--assets", str(assets)]
    more = ["--domains", str(tmp_path / "domains.json"), "--json", str(tmp_path / "scores.json")]
    assert main(["reconstruction", *folders, *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["domain", "all", "face", "zoo"]
    result = json.loads((tmp_path / "scores.json").read_text())
    assert [row["domain"] for row in result["domains"]] == ["all", "face", "zoo"]
    assert result["signature"] in lines[4]


def test_folders_that_do_not_go_together(tmp_path: Path, assets: Path, capsys: Any) -> None:
    before, after = write_pictures(tmp_path, 2)
    (after / "00.png").unlink()
    assert main(["reconstruction", "--originals", str(before), "--reconstructions", str(after)]) == 2
    assert "[PAIRING]" in capsys.readouterr().err


def test_a_missing_network_has_a_remedy_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("FBC2_ASSETS", raising=False)
    before, after = write_pictures(tmp_path, 2)
    assert main(["reconstruction", "--originals", str(before), "--reconstructions", str(after)]) == 2
    said = capsys.readouterr().err
    assert "python -m fetch metrics inception" in said
    assert "--fid-features" not in said  # which this command does not take
