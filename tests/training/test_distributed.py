"""Several processes under torchrun train as one does, and go on where another number of them stopped."""

import csv
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.rudolph import load_rudolph
from tests.training.small_world import TINY
from training.__main__ import main as training
from training.tune.checkpoints import last_checkpoint

ROOT = Path(__file__).parents[2]
STEPS = 4


def arguments(root: Path, out: Path, *overrides: str) -> list[str]:
    # Without dropout, whose random numbers every process draws for itself.
    still = replace(TINY, attention_dropout_prob=0.0, output_dropout_prob=0.0)
    still.save(root / "still.json")
    run = [
        f"model.scratch={root}/still.json",
        "compute.dtype=float32",
        "optim.learning_rate=1e-3",
        "compute.accumulate=2",
        "logging.every=1",
    ]
    return ["tune", "--config", str(root / "settings.yaml"), f"output={out}", *run, "logging.plots=false", *overrides]


def by_processes(
    number: int, command: list[str], before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
    return subprocess.run(
        [*launcher, "-m", "training", *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        preexec_fn=before,
        check=False,
    )


def read_log(out: Path) -> dict[tuple[int, str], float]:
    with (out / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    log = {(int(row["step"]), row["name"]): float(row["value"]) for row in rows}
    assert len(log) == len(rows), "a step was logged twice"
    return log


def assert_same_curve(out: Path, one_process: Path) -> None:
    ours, theirs = read_log(out), read_log(one_process)
    of_training = [key for key in theirs if key[1] in ("loss", "gradient_norm") or ".left" in key[1]]
    assert len([key for key in of_training if key[1] == "loss"]) == STEPS
    assert {key: ours[key] for key in of_training} == pytest.approx({key: theirs[key] for key in of_training}, rel=1e-5)
    assert ours[STEPS, "validation.loss"] == pytest.approx(theirs[STEPS, "validation.loss"], rel=1e-5)


@pytest.fixture(scope="module")
def one_process(root: Path) -> Path:
    assert training(arguments(root, root / "one_process")) == 0
    return root / "one_process"


def test_two_processes_by_ddp_then_one(root: Path, one_process: Path) -> None:
    """Three rows each in eight parts: the last ones have no row in any process."""
    out = root / "ddp_then_one"
    ended = by_processes(2, arguments(root, out, "compute.parallel=ddp", "until=2", "compute.accumulate=8"))
    assert ended.returncode == 0, ended.stderr
    assert training(arguments(root, out)) == 0
    assert_same_curve(out, one_process)


def test_one_process_then_two_by_fsdp(root: Path, one_process: Path) -> None:
    out = root / "one_then_fsdp"
    assert training(arguments(root, out, "until=2")) == 0
    ended = by_processes(2, arguments(root, out, "compute.parallel=fsdp"))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("trained weights:") == 1
    assert_same_curve(out, one_process)


@pytest.mark.slow
@pytest.mark.parametrize(("parallel", "number"), [("ddp", 3), ("fsdp", 4)])
def test_any_number_of_processes_makes_the_same_steps(
    root: Path, one_process: Path, parallel: str, number: int
) -> None:
    """Six rows in two parts: some processes have no row of a part."""
    out = root / f"{parallel}_{number}"
    ended = by_processes(number, arguments(root, out, f"compute.parallel={parallel}"))
    assert ended.returncode == 0, ended.stderr
    assert_same_curve(out, one_process)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_an_error_of_one_process_ends_all(root: Path, parallel: str) -> None:
    """Only the first process writes: a full disk is an error of its own."""
    out = root / f"error_{parallel}"
    ended = by_processes(
        2,
        arguments(root, out, f"compute.parallel={parallel}"),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert ended.returncode == 1
    assert "step_00000002: can not be written" in ended.stderr
    assert last_checkpoint(out) is None


@pytest.mark.slow
def test_eight_bit_state_of_shared_weights_is_refused(root: Path) -> None:
    ended = by_processes(2, arguments(root, root / "refused", "compute.parallel=fsdp", "optim.name=adamw8bit"))
    assert ended.returncode == 1  # torchrun's
    assert "optim.name: adamw8bit keeps no state of sharded weights" in ended.stderr


@pytest.mark.slow
def test_the_command_of_the_readme_with_its_defaults(root: Path) -> None:
    """bfloat16, with validation and checkpoints on the way, and once more from the last one."""
    out = root / "readme"
    command = [
        "tune",
        "--config",
        str(root / "settings.yaml"),
        f"output={out}",
        "compute.parallel=fsdp",
        "validation.every=2",
    ]
    ended = by_processes(2, [*command, "until=2"])
    assert ended.returncode == 0, ended.stderr
    ended = by_processes(2, command)
    assert ended.returncode == 0, ended.stderr
    assert {step for step, name in read_log(out) if name == "validation.loss"} == {2, 4}
    assert load_rudolph(out / "rudolph").config == TINY
