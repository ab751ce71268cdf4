"""Work in worker processes: a signal that asks for the end finds each of them whole, even while it is being started."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A signal comes when a worker runs, and what it is to read has not been written to it yet.
STOPPED_WHILE_A_WORKER_STARTS = """
import os, signal, sys, time
from multiprocessing import util
from operator import add

from contest.stop_signals import Stopped, stop_signals
from contest.worker_pool import in_workers

spawn, number = util.spawnv_passfds, signal.Signals[sys.argv[1]]

def spawn_and_be_asked(path, args, passed):
    process = spawn(path, args, passed)
    if any("spawn_main" in str(argument) for argument in args):
        os.kill(os.getpid(), number)
        time.sleep(0.1)
    return process

util.spawnv_passfds = spawn_and_be_asked
if __name__ == "__main__":
    try:
        with stop_signals():
            list(in_workers(add, 1, range(3), 2, waiting=2, if_killed=""))
    except Stopped as stopped:
        print(stopped, stopped.status)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [("SIGTERM", "terminated 143"), ("SIGINT", "interrupted 130"), ("SIGUSR1", "stopped by SIGUSR1 138")],
)
def test_a_signal_while_a_worker_starts_leaves_no_traceback(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text(STOPPED_WHILE_A_WORKER_STARTS)
    run = subprocess.run(
        [sys.executable, str(tmp_path / "stopped.py"), name],
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (run.stdout.strip(), run.stderr) == (said, "")
