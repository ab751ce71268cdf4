"""The commands of training: what each loads for its help, and what each says of a user's mistake and of its own."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from errors import UserError
from training.__main__ import PROGRAM, main

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "pandas",
    "pyarrow",
    "matplotlib",
    "tokenizers",
    "torchmetrics",
    "omegaconf",
    "jinja2",
)
HELP = """
import contextlib, io, sys
from training.__main__ import PROGRAM, main
for command in PROGRAM.commands:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([command, "--help"])
    print(command, *sorted(set(sys.argv[1:]) & set(sys.modules)))
"""
ARGUMENTS = {
    "tune": ["--config", "file"],
    "encode": ["--config", "file"],
    "merge": ["--config", "file"],
    "plots": ["folder"],
    "co2-report": ["folder"],
    "push": ["folder", "--license", "mit", "--dry-run"],
    "bpe": ["--data", "data", "--out", "file"],  # the old name of --output
    "vqgan": ["--data", "data", "--output", "folder"],
    "ruclip": ["--data", "data", "--bpe", "file", "--output", "folder"],
    "malevich": ["--data", "data", "--weights", "weights", "--output", "folder"],
    "upscaler": ["--data", "data", "--output", "folder"],
    "tiny": [],
}


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HELP, *HEAVY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == list(PROGRAM.commands)


def test_the_main_command_stands_first() -> None:
    assert next(iter(PROGRAM.commands)) == "tune"
    assert set(ARGUMENTS) == set(PROGRAM.commands)


@pytest.mark.parametrize("command", ARGUMENTS)
@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (UserError("no such thing", "take another", where="here"), 2, "error [USER] here: no such thing; take another"),
        (ValueError("a mistake of ours"), 70, "this is a fault of the program"),
    ],
    ids=["user", "bug"],
)
def test_mistakes_of_users_and_of_ours(
    command: str,
    error: Exception,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(options: object) -> int:
        raise error

    monkeypatch.setattr(importlib.import_module(PROGRAM.commands[command].module), "run", fail)
    assert main([command, *ARGUMENTS[command]]) == status
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith(f"training {command}: {says}")
    assert len(lines) == 1 if status == 2 else lines[-2] == "ValueError: a mistake of ours"
