"""The bundled test in a real container, shut off as at the organisers', gets what it gets outside."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluation.results import read_result

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"
LOCKED = ("docker/torch.lock", "docker/submission.lock", "docker/evaluation.lock", "requirements.txt")  # torch: last
LIMITS = {"gpus": 0, "memory": 4 * 10**9, "shared_memory": 10**9, "temporary": 10**9, "seconds": 3000}
SCORING = ["--fid-features", "ruclip", "--resamples", "50"]


def ours(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proof")


@pytest.fixture(scope="module")
def both(folder: Path, submission_image: str) -> tuple[Path, Path]:
    """The folders of both runs, which take a processor each and are made at the same time."""
    with ThreadPoolExecutor(1) as thread:
        outside = thread.submit(run_outside, folder)
        return run_inside(folder, submission_image), outside.result()


@pytest.fixture(scope="module")
def inside(both: tuple[Path, Path]) -> Path:
    return both[0]


@pytest.fixture(scope="module")
def outside(both: tuple[Path, Path]) -> Path:
    return both[1]


def run_inside(folder: Path, submission_image: str) -> Path:
    """Pack, check, run in the container, score: the runner's result folder."""
    archive = folder / "submission.zip"
    ours("submission", "pack", "--weights", "weights", "--output", archive, "--image", submission_image)
    ours("submission", "check", folder / "submission.zip")
    (folder / "limits.json").write_text(json.dumps(LIMITS))
    references = ("--ground-truth", DEMO / "ground_truth.json", "--ids", DEMO / "ids.json")
    ours(
        "evaluation", "run-container", folder / "submission.zip", "--input", DEMO, "--output", folder / "inside",
        "--limits", folder / "limits.json", *references, "--assets", ROOT / "weights", *SCORING,
        "--attempts", folder / "attempts.db", "--team", "ours",
    )  # fmt: skip
    return folder / "inside"


def run_outside(folder: Path) -> Path:
    """The same run as a plain process of this machine, from the repository itself."""
    output = folder / "outside"
    ours("submission", "run", "--input", DEMO, "--output", output, "--weights", "weights", "--device", "cpu")
    ours(
        "evaluation", "score", "--predictions", output / "predictions.json", "--ground-truth",
        DEMO / "ground_truth.json", "--ids", DEMO / "ids.json", "--input", DEMO, "--assets", ROOT / "weights", *SCORING,
        "--json", output / "scores.json",
    )  # fmt: skip
    return output


def test_the_run_in_the_container_is_valid_and_clean(inside: Path) -> None:
    verdict = json.loads((inside / "verdict.json").read_text())
    assert (verdict["fault"], verdict["status"], verdict["problems"], verdict["remarks"]) == ("none", 0, [], [])
    assert json.loads((inside / "output/run.json").read_text())["problems"] == []


def test_answers_are_those_of_a_run_outside(inside: Path, outside: Path) -> None:
    answers = json.loads((inside / "output/predictions.json").read_text("utf-8"))
    assert answers == json.loads((outside / "predictions.json").read_text("utf-8"))
    assert len(answers) == 240


def test_scores_are_those_of_a_run_outside(inside: Path, outside: Path) -> None:
    here, there = read_result(inside / "scores.json"), read_result(outside / "scores.json")
    assert here.integral == pytest.approx(there.integral, abs=1e-6)
    for key, task in here.tasks.items():
        assert task.score == pytest.approx(there.tasks[key].score, abs=1e-5), key


def test_the_evaluators_image_scores_the_same(inside: Path, folder: Path, evaluation_image: str) -> None:
    out = folder / "scored"
    out.mkdir()
    out.chmod(0o777)
    mounts = ((inside / "output", "/run/output"), (DEMO, "/run/demo"), (ROOT / "weights", "/run/assets"))
    command = ["docker", "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    command += [f"--mount=type=bind,source={source},target={target},readonly" for source, target in mounts]
    command += [f"--mount=type=bind,source={out},target=/run/out", evaluation_image, "score"]
    command += ["--predictions", "/run/output/predictions.json", "--ground-truth", "/run/demo/ground_truth.json"]
    command += ["--ids", "/run/demo/ids.json", "--input", "/run/demo", "--assets", "/run/assets", *SCORING]
    done = subprocess.run([*command, "--json", "/run/out/scores.json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = read_result(out / "scores.json"), read_result(inside / "scores.json")
    assert here.integral == pytest.approx(there.integral, abs=1e-6)
    assert here.signatures == there.signatures


def test_the_attempt_is_in_the_register(inside: Path, folder: Path) -> None:
    assert "valid" in ours("evaluation", "attempts", "list", "--db", folder / "attempts.db").stdout


def test_every_package_of_the_image_is_pinned(submission_image: str, evaluation_image: str) -> None:
    lines = [line for name in LOCKED for line in (ROOT / name).read_text().splitlines()]
    pins = {line.split()[0] for line in lines if "==" in line}
    for image in (submission_image, evaluation_image):
        command = ["docker", "run", "--rm", "--network=none", "--entrypoint=pip", image, "freeze", "--all"]
        frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        found = {line.partition("+")[0].lower().replace("_", "-") for line in frozen} - {"@"}
        assert {line for line in found if not line.startswith("pip==")} <= pins, image
