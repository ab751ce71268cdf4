"""Ctrl-C while a program is still importing what it needs ends it with one word and status 130."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Presses Ctrl-C when a module is looked for.
PRESS = """
import os, signal, sys
class Pressing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
        return None
sys.meta_path.insert(0, Pressing())
"""


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("submission run", "torch"),
        ("submission check weights", "submission.checks"),
        ("evaluation score", "contest.emissions.tracking"),
        ("evaluation score --predictions p --ground-truth g --ids i", "numpy"),
        ("data_prep synthetic", "data_prep.synthetic.command"),
        ("training tune", "pydantic"),
    ],
)
def test_an_interrupted_import_ends_with_one_word(tmp_path: Path, command: str, module: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRESS.format(module=module))
    run = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (run.returncode, run.stdout) == (130, "")
    program, name = command.split()[:2]
    assert run.stderr in ("interrupted\n", f"{program} {name}: interrupted\n")


def test_an_interrupt_that_nobody_sees_to_ends_with_one_word() -> None:
    program = """
import os, signal
from contest.console import start_program
start_program(lambda: os.kill(os.getpid(), signal.SIGINT) or 0)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert (run.returncode, run.stderr) == (130, "interrupted\n")
