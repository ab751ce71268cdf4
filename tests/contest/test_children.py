"""A child process ends with its parent, however that one ended."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The parent starts a child that inherits the pipe, and waits; the child sleeps for ever.
PROGRAM = """
    import os, subprocess, sys, time
    from contest.children import end_with_parent

    if sys.argv[1:2] == ["child"]:
        end_with_parent(int(sys.argv[2]))
        print("child", os.getpid(), flush=True)
        time.sleep(1000)
    else:
        parent = os.getpid() if sys.argv[1] == "alive" else 1_000_000_000
        child = subprocess.Popen([sys.executable, __file__, "child", str(parent)])
        child.wait()
        print("status", child.returncode, flush=True)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no signal at the parent's death")


def started(how: str, folder: Path) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    return subprocess.Popen(
        [sys.executable, str(folder / "program.py"), how],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_when_its_parent_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    with started("alive", tmp_path) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("child")
        parent.send_signal(number)
        ready, _, _ = select.select([parent.stdout], [], [], 60)
        assert ready, "the child runs on: it holds the pipe open"
        assert parent.stdout.read() == ""


def test_a_child_whose_parent_is_gone_already_ends_at_once(tmp_path: Path) -> None:
    with started("gone", tmp_path) as parent:
        output, _ = parent.communicate(timeout=600)
    assert output == f"status {-signal.SIGKILL}\n"
