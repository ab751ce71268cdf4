"""What a command loads, seen in a process of its own: no help waits for torch, no text task for torchmetrics."""

import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.__main__ import PROGRAM
from tests.evaluation.fakes import write_files

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchmetrics", "pandas", "numpy", "PIL", "jinja2", "scipy", "sklearn", "pymorphy3"}
# Says at its end what it had loaded of the heavy packages.
PROBE = f"""
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr))
from evaluation.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def loaded(*arguments: object) -> tuple[int, str, set[str]]:
    """Run a command line; return its status, its output and what it had loaded."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    *said, last = ended.stderr.splitlines()
    assert said == []
    assert last.startswith("loaded:")
    return ended.returncode, ended.stdout, set(last.split()[1:])


@pytest.mark.parametrize("command", ["", *PROGRAM.commands])
def test_help_loads_nothing_heavy(command: str) -> None:
    status, shown, heavy = loaded(*command.split(), "--help")
    assert (status, heavy) == (0, set())
    assert "exit status:" in shown


# NLTK, whose stemmers VisualQA takes, imports what scikit-learn needs.
@pytest.mark.parametrize(("task", "more"), [(0, set()), (1, set()), (4, {"pandas", "scipy", "sklearn"}), (5, set())])
def test_a_text_task_needs_no_torch(task: int, more: set[str], tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": task})
    named = ("--predictions", files.predictions, "--ground-truth", files.ground_truth, "--ids", files.ids)
    status, shown, heavy = loaded("score", *named, "--json", tmp_path / "result.json")
    assert status == 0
    assert "mode: official" in shown
    assert heavy <= {"numpy", "PIL", "pymorphy3", *more}


def test_results_are_kept_and_compared_without_torch(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a": 0})
    named = ("--predictions", files.predictions, "--ground-truth", files.ground_truth)
    result, board = tmp_path / "result.json", tmp_path / "board"
    commands = (
        ("score", *named, "--ids", files.ids, "--json", result),
        ("report", result, *named, "--output", tmp_path),
        ("compare", result, result),
        ("leaderboard", "add", result, "--db", board, "--name", "x"),
        ("leaderboard", "show", "--db", board),
        ("leaderboard", "export", "--db", board, "--output", tmp_path / "board.json"),
    )
    for command in commands:
        status, _, heavy = loaded(*command)
        assert status == 0
        assert not heavy & {"torch", "torchmetrics", "sklearn"}
