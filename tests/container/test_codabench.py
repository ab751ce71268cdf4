"""A Codabench bundle of the demo, scored in a container as the platform's worker starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.conftest import image
from tests.evaluation.platforms.codabench_form import competition_of, laid_out

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"
TEST = ["--input", DEMO, "--ground-truth", DEMO / "ground_truth.json", "--ids", DEMO / "ids.json"]
METRICS = ["--assets", ROOT / "weights", "--fid-features", "ruclip"]


def ours(*arguments: object) -> None:
    command = [sys.executable, "-m", "evaluation", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("codabench") / "bundle.zip"
    ours("bundle", "codabench", *TEST, *METRICS, "--image", image("FBC2_CODABENCH_IMAGE"), "--output", path)
    return path


def worker(bundle: Path, app: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Start the container with the options of the platform's compute worker; the network is off besides."""
    start = ["docker", "run", "--rm", "--network=none", "--security-opt=no-new-privileges"]
    start += ["-v", f"{app}/program:/app/program", "-v", f"{app}/output:/app/output", "-v", f"{app}/input:/app/input"]
    start += ["-w", "/app/program", "-e", "PYTHONUNBUFFERED=1", competition_of(bundle)["docker_image"]]
    return subprocess.run([*start, *command], capture_output=True, text=True, check=False)


def test_the_worker_s_command_scores_as_we_do(bundle: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    done = worker(bundle, app, laid_out(bundle, app))
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((app / "output/scores.json").read_text())
    answers = app / "input/res/predictions.json"
    ours("score", "--predictions", answers, *TEST, *METRICS, "--json", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text("utf-8"))
    expected = {"integral": result["integral"], **{key: task["score"] for key, task in result["tasks"].items()}}
    assert scores == pytest.approx(expected, abs=1e-6)
    assert (app / "output/detailed_results.html").stat().st_size > 10_000


def test_a_bad_submission_gets_a_word(bundle: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    command = laid_out(bundle, app)
    (app / "input/res/predictions.json").unlink()
    done = worker(bundle, app, command)
    assert done.returncode == 2
    assert "no predictions.json at the root" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((app / "output").iterdir()) == []
