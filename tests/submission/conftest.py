"""A weights folder of the small golden networks, and the submission as a process, as the container starts it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.weights import save_safetensors, save_state_dict
from submission.__main__ import main
from submission.choosing import OptionChoice
from submission.profiles import PROFILES, TUNED

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "models"


def _golden_state(name: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / name) as arrays:
        found = {key: torch.from_numpy(arrays[key]) for key in arrays}
    return {key: value if value.dtype == torch.bool else value.float() for key, value in found.items()}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden networks in the layout of a weights folder: RUDOLPH as published, the VQGAN as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    shutil.copy(GOLDEN / "bpe_small_256.model", folder / "bpe.model")
    (folder / "rudolph").mkdir()
    config = json.loads((GOLDEN / "rudolph_golden.json").read_text())["config"]
    (folder / "rudolph" / "config.json").write_text(json.dumps(config))
    save_state_dict(_golden_state("rudolph_state.npz"), folder / "rudolph" / "pytorch_model.bin")
    (folder / "vqgan").mkdir()
    config = json.loads((GOLDEN / "vae_golden.json").read_text())["vqgan"]["config"]
    (folder / "vqgan" / "config.json").write_text(json.dumps(config))
    save_safetensors(_golden_state("vqgan_state.npz"), folder / "vqgan" / "model.safetensors")
    return folder


@dataclass(frozen=True)
class Finished:
    """A finished process of the submission and the folder that it wrote into."""

    status: int
    stderr: str
    output: Path

    @property
    def predictions(self) -> dict[str, Any]:
        return json.loads((self.output / "predictions.json").read_text(encoding="utf-8"))

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.output / "run.json").read_text(encoding="utf-8"))

    @property
    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.output / "journal.jsonl").read_text(encoding="utf-8").splitlines()]

    @property
    def journal_whole(self) -> list[dict[str, Any]]:
        """The records of a journal whose last line a kill may have cut off."""
        lines = (self.output / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines[1:] if line.endswith("\n")]

    @property
    def pictures(self) -> list[str]:
        return sorted(path.name for path in (self.output / "images").iterdir())


Start = Callable[..., Finished]


def _command(source: Path, output: Path, weights: Path, options: Sequence[str]) -> list[str]:
    paths = ["--input", str(source), "--output", str(output), "--weights", str(weights)]
    return ["run", *paths, "--device", "cpu", *options]


@pytest.fixture
def start(weights: Path, tmp_path: Path) -> Start:
    """Start `python -m submission run` in a process; `sabotage` is Python that runs in it beforehand."""

    def start_(source: Path, *options: str, output: str = "output", sabotage: str = "") -> Finished:
        program = [sys.executable, "-m", "submission"]
        if sabotage:
            program = [sys.executable, "-c", f"{sabotage}\nimport submission.__main__ as m\nraise SystemExit(m.main())"]
        process = subprocess.run(
            [*program, *_command(source, tmp_path / output, weights, options)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Finished(process.returncode, process.stderr, tmp_path / output)

    return start_


@pytest.fixture
def submit(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Start:
    """The same without a process of its own: quicker, and open to monkeypatching."""

    def submit_(source: Path, *options: str, output: str = "output") -> Finished:
        status = main(_command(source, tmp_path / output, weights, options))
        return Finished(status, capsys.readouterr().err, tmp_path / output)

    return submit_


# `asked_twice` for a process: sabotage of `start`.
ASK_TWICE = """
from dataclasses import replace
from submission.profiles import PROFILES
PROFILES["tuned"] = replace(PROFILES["tuned"], options=replace(PROFILES["tuned"].options, twice=True))
"""


@pytest.fixture
def asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `tuned` ask samples with a list of options again, without it, with or without a picture."""
    monkeypatch.setitem(PROFILES, "tuned", replace(TUNED, options=OptionChoice(twice=True)))


Write = Callable[[Any], Path]


@pytest.fixture
def write_input(tmp_path: Path) -> Write:
    """Write an input folder: `input.json` with the given content (text is written as it stands), and two pictures."""

    def write(content: Any) -> Path:
        folder = tmp_path / "input"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 50), (200, 30, 30)).save(folder / "images" / "red.png")
        whole = (folder / "images" / "red.png").read_bytes()
        (folder / "images" / "cut.png").write_bytes(whole[: len(whole) // 2])
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / "input.json").write_text(text, encoding="utf-8")
        return folder

    return write


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def image(content: str) -> dict[str, str]:
    return {"type": "image", "content": content}


def look_the_same(one: Path, other: Path) -> bool:
    """Whether two JPEGs show one picture: rendered in batches of other sizes, a pixel may be rounded otherwise."""
    with Image.open(one) as a, Image.open(other) as b:
        difference = np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int))
    return bool(difference.mean() < 0.5 and difference.max() <= 16)
