"""Work in worker processes: a signal that asks for the end finds each whole, even one that is being started, and what
ends them in the middle of something is noticed.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A signal comes when a worker runs, and what it is to read has not been written to it yet; where there
# is another thread, that one may take it.
STOPPED_WHILE_A_WORKER_STARTS = """
import os, signal, sys, threading, time
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
    if sys.argv[2:]:
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
    try:
        with stop_signals():
            list(in_workers(add, 1, range(3), 2, waiting=2, if_killed=""))
    except Stopped as stopped:
        print(stopped, stopped.status)
"""


# A worker begins to hand over a result, and goes no further: it is killed, or the command is stopped.
HALF_A_RESULT = """
import os, signal, sys, time
from multiprocessing.connection import Connection

from contest.stop_signals import Stopped, stop_signals
from contest.worker_pool import WorkerKilledError, in_workers

def half(connection, data):
    os.write(connection.fileno(), bytes(data[: len(data) // 2]))
    number = signal.Signals[sys.argv[1]]
    os.kill(os.getpid() if number == signal.SIGKILL else os.getppid(), number)
    time.sleep(60)

def answer(others, task):
    if task == 1:
        Connection._send = half
    return task

if __name__ == "__main__":
    try:
        with stop_signals():
            for result in in_workers(answer, None, range(9), 2, waiting=2, if_killed="do less"):
                pass
    except (Stopped, WorkerKilledError) as end:
        print(end)
"""


def _said(script: str, arguments: list[str], folder: Path) -> tuple[str, str]:
    (folder / "script.py").write_text(script)
    run = subprocess.run(
        [sys.executable, str(folder / "script.py"), *arguments],
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return run.stdout.strip(), run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SIGTERM"], "terminated 143"),
        (["SIGINT"], "interrupted 130"),
        (["SIGUSR1"], "stopped by SIGUSR1 138"),
        (["SIGTERM", "beside a thread"], "terminated 143"),
    ],
)
def test_a_signal_while_a_worker_starts_leaves_no_traceback(arguments: list[str], said: str, tmp_path: Path) -> None:
    assert _said(STOPPED_WHILE_A_WORKER_STARTS, arguments, tmp_path) == (said, "")


@pytest.mark.parametrize(
    ("name", "said"),
    [("SIGKILL", "a worker process was killed (out of memory?); do less"), ("SIGTERM", "terminated")],
)
def test_half_a_result_is_not_waited_for(name: str, said: str, tmp_path: Path) -> None:
    assert _said(HALF_A_RESULT, [name], tmp_path) == (said, "")


# Who closes the generator early has both workers in tasks that would take hours, and are too large for a pipe.
CLOSED_EARLY = """
import multiprocessing, time

from contest.worker_pool import in_workers

def wait(tool, task):
    time.sleep(task[0])
    return task[0]

if __name__ == "__main__":
    tasks = [(0, "")] + [(9999, "x" * 200_000)] * 20
    results = in_workers(wait, None, tasks, 2, waiting=4, if_killed="", in_order=False)
    print(next(results))
    results.close()
    print(multiprocessing.active_children(), list(results))
"""


def test_closing_the_generator_ends_the_workers(tmp_path: Path) -> None:
    assert _said(CLOSED_EARLY, [], tmp_path) == ("0\n[] []", "")
