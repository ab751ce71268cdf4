"""A real training that is measured, killed without warning and started again: several tests read its files."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made_once import made_once
from training.tune.callbacks.co2_log import read_co2_log
from training.tune.callbacks.csv_log import read_log

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds to wait for what must come; a slow machine changes no result
CHECKPOINT = 5
DESCRIPTION = "RUDOLPH <b>мой</b>"


def command(root: Path, out: Path, *overrides: str) -> list[str]:
    settings = [
        *(
            "steps=100000",
            "logging.every=1",
            "validation.every=20",
            f"checkpoint.every={CHECKPOINT}",
            "checkpoint.keep_last=1",
        ),
        *("emissions.file=emissions.csv", "emissions.final=true", "emissions.tdp_watts=100", "emissions.period=0.2"),
        f"emissions.experiment_description={DESCRIPTION}",
    ]
    config = str(root / "settings.yaml")
    return [sys.executable, "-m", "training", "tune", "--config", config, f"output={out}", *settings, *overrides]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, "the training ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def steps_logged(out: Path) -> list[int]:
    return [row.step for row in read_log(out / "log.csv") if row.name == "loss"] if (out / "log.csv").is_file() else []


@pytest.fixture(scope="session")
def watched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed a few steps behind a checkpoint, and then went on for seven steps."""
    return made_once(tmp_path_factory, "watched", lambda folder: watch(root, folder / "run")) / "run"


def watch(root: Path, out: Path) -> None:
    """Make that run."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(command(root, out), cwd=ROOT, env=environment)
    try:
        # Rows in the CO2 log: eco2AI is loaded and has told the processor's power.
        wait_for(lambda: (out / "co2.csv").is_file() and (out / "emissions.csv").is_file(), killed)
        wait_for(lambda: max(steps_logged(out), default=0) > CHECKPOINT, killed)
        begun = steps_logged(out)[-1]
        wait_for(lambda: steps_logged(out)[-1] > begun + CHECKPOINT and steps_logged(out)[-1] % CHECKPOINT == 3, killed)
    finally:
        killed.kill()
        killed.wait()
    before = {"steps": steps_logged(out), "co2": len(read_co2_log(out / "co2.csv"))}
    (out.parent / "before.json").write_text(json.dumps(before))
    shutil.copy(out / "log.csv", out.parent / "log_before.csv")
    checkpoint = max(step for step in before["steps"] if step % CHECKPOINT == 0)
    went_on = command(root, out, f"until={checkpoint + 7}")
    done = subprocess.run(went_on, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "emissions measured: " in done.stderr
    assert f"step {checkpoint + 1}/{checkpoint + 7}" in done.stdout
