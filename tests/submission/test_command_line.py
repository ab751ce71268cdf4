"""The command line: what `--help` waits for, and what is the user's fault and what the program's."""

import subprocess
import sys
from pathlib import Path

import pytest

import submission.checks.checking as checking
import submission.commands.doctor as doctor
import submission.contact_sheet as contact_sheet
import submission.pack as packing
import submission.run as running
from contest.command_line import PROGRAM_FAULT
from errors import UserError
from submission.__main__ import PROGRAM, main
from submission.commands.run import DTYPES, PROFILE_NAMES
from submission.profiles import PROFILES
from tests.submission.conftest import ROOT, Start, Write, text

# Prints which packages each command has imported when it has shown its help.
IMPORTS = """
import sys
from submission.__main__ import PROGRAM, main
for command in PROGRAM.commands:
    try:
        main([command, "--help"])
    except SystemExit:
        packages = "torch numpy PIL matplotlib safetensors tokenizers tqdm pandas".split()
        print(command, [name for name in packages if name in sys.modules], file=sys.stderr)
"""


def test_help_imports_no_package() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [f"{command} []" for command in PROGRAM.commands]


def test_the_main_command_stands_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert next(iter(PROGRAM.commands)) == "run"
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("fbc2 ")


def test_names_of_options_are_those_of_what_they_choose() -> None:
    import torch

    assert tuple(PROFILES) == PROFILE_NAMES
    assert all(isinstance(getattr(torch, name), torch.dtype) for name in DTYPES)


def fail(error: Exception):  # type: ignore[no-untyped-def]
    def failing(*arguments: object, **options: object) -> None:
        raise error

    return failing


# command -> (what does its work, its options)
WORK = {
    "run": (running, "stored_input", ["--input", "demo"]),
    "preview": (contact_sheet, "choose_pictures", ["--input", "demo", "--output", "demo"]),
    "pack": (packing, "pack", ["--weights", "weights", "--output", "no.zip", "--image", "a:1"]),
    "check": (checking, "check", ["weights"]),
    "doctor": (doctor, "readings", []),
}


@pytest.mark.parametrize("command", WORK)
def test_a_planted_bug_keeps_its_traceback(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, work, options = WORK[command]
    if command == "preview":
        monkeypatch.setattr("contest.reading.read_predictions", lambda path: {})
    monkeypatch.setattr(module, work, fail(ValueError("zip() argument 2 is longer")))
    assert main([command, *options]) == PROGRAM_FAULT
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "please report it" in said.splitlines()[-1]
    monkeypatch.setattr(module, work, fail(UserError("no such thing", "name another")))
    assert main([command, *options]) == 2
    assert capsys.readouterr().err == f"submission {command}: error [USER] no such thing; name another\n"


def test_a_bug_in_a_run_leaves_its_answers(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(running, "load_networks", fail(ValueError("zip() argument 2 is longer")))
    run = submit(write_input({"0": [text("дом")]}))
    assert run.status == PROGRAM_FAULT
    assert run.stderr.count("Traceback") == 1
    assert run.report["ended"] == "failed"
    assert list(run.predictions) == ["0"]
