"""The demo made small: three samples of each task, and a bundle of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from contest.tasks import TASKS
from evaluation.__main__ import main

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "demo"
A_TASK = 3
IMAGE = "registry.example.org/fbc2-codabench:1"
METRICS = ["--fid-features", "ruclip", "--assets", str(ROOT / "weights")]


@dataclass(frozen=True)
class SmallTest:
    """A test set in a folder as the demo's, with pictures of the demo."""

    folder: Path

    def files(self) -> list[str]:
        names = {"--input": "", "--ground-truth": "ground_truth.json", "--ids": "ids.json"}
        return [word for option, name in names.items() for word in (option, str(self.folder / name))]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallTest:
    folder = tmp_path_factory.mktemp("small")
    ids = json.loads((DEMO / "ids.json").read_text())
    chosen = [name for task in TASKS for name in [name for name, number in ids.items() if number == task.id][:A_TASK]]
    for name in ("ids.json", "input.json", "ground_truth.json"):
        value = json.loads((DEMO / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps({key: value[key] for key in chosen}, ensure_ascii=False), "utf-8")
    (folder / "images").symlink_to(DEMO / "images")
    return SmallTest(folder)


@pytest.fixture(scope="session")
def bundle(small: SmallTest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    options = ["--image", IMAGE, "--start", "2026-11-29", "--output", str(path)]
    assert main(["bundle", "codabench", *small.files(), *METRICS, *options]) == 0
    return path
