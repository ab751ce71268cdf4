"""A training that is stopped: by a signal it clears up and says one word, and by SIGKILL it takes its helpers along."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.__main__ import main as data_prep
from training.tune.callbacks.csv_log import read_log

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds to wait for what must come; a slow machine changes no result
STOPPED = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted", signal.SIGHUP: "hung up"}
MARK = "FBC2_TEST_OF_STOPPING"  # in the environment of all processes that a test starts


RUN_STAGE = """
import os, sys
from pathlib import Path
from training.tiny import Stage, run_stage
run_stage(Stage("RUDOLPH", tuple(sys.argv[1:]), Path("none")), os.environ)
"""


def heed_signals() -> None:
    """What ignores a signal hands that on: the tests may have been started by `nohup`, or behind a script."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(mark: Path, *command: str) -> subprocess.Popen[str]:
    return python(mark, "-m", *command)


def python(mark: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", MARK: str(mark), **variables},
        preexec_fn=heed_signals,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(mark: Path) -> list[str]:
    """The command lines of all processes that a test has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line and "State:\tZ" not in (folder / "status").read_text():
                    found.append(line)
        except OSError:  # it has just ended
            continue
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(process: subprocess.Popen[str]) -> str:
    """What it said on its standard error, once it has ended."""
    said = process.communicate(timeout=PATIENCE)[1]
    assert "Traceback" not in said
    assert "leaked" not in said
    return said


def tune(root: Path, out: Path, *overrides: str) -> list[str]:
    settings = ["steps=100000", "logging.every=1", "validation.every=50", "checkpoint.every=5", "logging.plots=false"]
    return ["training", "tune", "--config", str(root / "settings.yaml"), f"output={out}", *settings, *overrides]


def trains(out: Path) -> bool:
    return (out / "log.csv").is_file() and any(row.step > 5 for row in read_log(out / "log.csv"))


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_stopped_training_says_one_line(root: Path, tmp_path: Path, number: signal.Signals, status: int) -> None:
    out = tmp_path / "run"
    process = started(tmp_path, *tune(root, out, "emissions.file=emissions.csv", "emissions.tdp_watts=100"))
    wait_for(lambda: trains(out), process)
    os.killpg(process.pid, number)  # as a terminal does
    said = ended(process)
    assert process.returncode == status
    assert said.splitlines()[-1] == f"training tune: {STOPPED[number]}"
    wait_for(lambda: not alive(tmp_path))
    last = max(row.step for row in read_log(out / "log.csv"))
    again = started(tmp_path, *tune(root, out, f"until={last + 2}"))
    ended(again)
    assert again.returncode == 0
    steps = [row.step for row in read_log(out / "log.csv") if row.name == "loss"]
    assert steps == list(range(1, last + 3))


@pytest.mark.parametrize(
    "number", [*(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGTERM)), signal.SIGKILL]
)
def test_no_worker_outlives_an_encoding(root: Path, tmp_path: Path, number: signal.Signals) -> None:
    world = tmp_path / "world"
    sizes = ["--train", "400", "--validation", "3", "--test", "0"]
    assert data_prep(["synthetic", "--output", str(world), "--seed", "1", *sizes, "--tasks", "captioning"]) == 0
    (tmp_path / "settings.yaml").write_text(
        f"{{data: {world}, weights: {root}/weights, out: {tmp_path}/run, scratch: {root}/tiny.json, "
        "workers: 2, tasks: {captioning: {}}}"
    )
    process = started(tmp_path, "training", "encode", "--config", str(tmp_path / "settings.yaml"))
    # Both workers, and what Python starts to look after them.
    wait_for(lambda: sum("spawn_main" in line for line in alive(tmp_path)) == 2, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    if number == signal.SIGKILL:
        process.communicate(timeout=PATIENCE)
    else:
        assert ended(process).splitlines()[-1] == f"training encode: {STOPPED[number]}; what is encoded is kept"
        assert process.returncode == 128 + number
    wait_for(lambda: not alive(tmp_path))


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL])
def test_under_torchrun_no_process_outlives_it(root: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    process = started(tmp_path, *launcher, *tune(root, out, "compute.parallel=ddp"))
    wait_for(lambda: trains(out), process)
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE)[1]
    assert "leaked" not in said
    if number == signal.SIGTERM:
        assert "training tune: terminated" in said
    wait_for(lambda: not alive(tmp_path))


@pytest.mark.parametrize(("parallel", "killed"), [pytest.param("ddp", 1, marks=pytest.mark.slow), ("fsdp", 0)])
def test_who_loses_another_process_says_one_line(root: Path, tmp_path: Path, parallel: str, killed: int) -> None:
    """Two processes that no torchrun looks after, as on two machines."""
    out = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    processes = []
    for rank in ("0", "1"):
        who = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        processes.append(python(tmp_path, "-m", *tune(root, out, f"compute.parallel={parallel}"), **place, **who))
    wait_for(lambda: trains(out), processes[0])
    processes[killed].kill()
    processes[killed].communicate(timeout=PATIENCE)
    said = ended(processes[1 - killed])
    assert processes[1 - killed].returncode == 1
    assert [line for line in said.splitlines() if line.startswith("training tune: ")] == [
        "training tune: another process of this run has ended; the reason is among what that one said; "
        "the last checkpoint is intact"
    ]
    wait_for(lambda: not alive(tmp_path))


@pytest.mark.slow
def test_a_recipe_takes_its_training_along(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = python(tmp_path, "-c", RUN_STAGE, *tune(root, out, "emissions.file=emissions.csv"))
    wait_for(lambda: trains(out), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not alive(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_whole_recipe_takes_its_training_along(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "tiny"
    process = started(tmp_path, "training", "tiny", "--output", str(out), "--tdp-watts", "100", "--scale", "0.001")
    wait_for(lambda: (out / "runs" / "tiny_lookup" / "log.csv").is_file(), process)
    process.send_signal(number)
    if number == signal.SIGTERM:
        assert ended(process).splitlines()[-1] == "training tiny: terminated; the same command goes on from here"
        assert process.returncode == 143
    else:
        process.communicate(timeout=PATIENCE)
    wait_for(lambda: not alive(tmp_path))


def test_a_recipe_takes_its_stage_along(tmp_path: Path) -> None:
    process = started(tmp_path, "training", "tiny", "--output", str(tmp_path / "tiny"), "--tdp-watts", "100")
    wait_for(lambda: any(" data_prep " in line for line in alive(tmp_path)), process)
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not alive(tmp_path))
