"""A torchrun worker ends with its own status, whatever would go wrong while the interpreter takes itself apart."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import atexit, os, sys
from contest.exit_process import exit_process
atexit.register(lambda: os.kill(os.getpid(), 6))
print("said")
exit_process({status})
"""


@pytest.mark.parametrize("status", [0, 1, 2])
@pytest.mark.parametrize("worker", [True, False])
def test_a_worker_ends_at_once_and_others_as_usual(status: int, worker: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHELASTIC_RUN_ID"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(status=status)],
        cwd=ROOT,
        env=environment | ({"TORCHELASTIC_RUN_ID": "none"} if worker else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == (status if worker else -6)
    assert ended.stdout == "said\n" or not worker
