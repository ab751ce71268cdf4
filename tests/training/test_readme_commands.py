"""The README's own commands of training, as they stand there; only amounts are smaller."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training.tune.settings_file import read_settings

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "training" / "configs").glob("*.yaml"))
FEW = "steps=2 validation.samples=1 data.sampling=balanced data.batch=12"


def run(command: str, **places: Path) -> subprocess.CompletedProcess[str]:
    words = [word.format(**places) for word in command.split()]
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_bundled_settings_are_valid_and_have_effect(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_settings(path, []).tasks
    assert capsys.readouterr().err == ""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    run("data_prep synthetic --output {world} --seed 1 --train 150 --validation 3 --test 2", world=folder / "world")
    return folder


@pytest.mark.slow
def test_a_fine_tune_of_the_bundled_weights(world: Path) -> None:
    places = {"world": world / "world", "mine": world / "runs" / "mine"}
    config = "--config training/configs/fbc2.yaml data.folder={world} weights=weights"
    run(f"training encode {config} data.workers=8", **places)
    ended = run(
        f"training tune {config} output={{mine}} {FEW} "
        "emissions.file=emissions.csv emissions.country=RU emissions.final=true",
        **places,
    )
    assert "has no effect" not in ended.stderr
    assert ended.stdout.splitlines()[-3] == f"trained weights: {places['mine']}/rudolph"
    run("training plots {mine}", **places)
    run("training co2-report {mine}", **places)
    # What the last line says comes next.
    for name in ("bpe.model", "vqgan"):
        source, target = ROOT / "weights" / name, places["mine"] / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    asked = {"1": [{"type": "text", "content": "Реши задачу."}, {"type": "text", "content": "3 + 4 = x. Найди x."}]}
    (world / "input").mkdir()
    (world / "input" / "input.json").write_text(json.dumps(asked))
    run(
        "submission run --weights {mine} --input {asked} --output {out}",
        asked=world / "input",
        out=world / "o",
        **places,
    )


@pytest.mark.slow
def test_tokenizers_and_a_rudolph_of_one_s_own(world: Path) -> None:
    places = {"world": world / "world", "mine": world / "mine", "run": world / "run"}
    run("training bpe --data {world} --output {mine}/bpe.model --vocab 1024", **places)
    run("training vqgan --data {world} --output {mine}/vqgan --steps 3", **places)
    run(
        "training tune --config training/configs/fbc2.yaml data.folder={world} weights={mine} output={run} "
        f"data.workers=2 model.scratch=training/configs/tiny_rudolph.json {FEW}",
        **places,
    )
    run("training ruclip --data {world} --bpe {mine}/bpe.model --output {mine}/ruclip --steps 2 --batch 8", **places)
