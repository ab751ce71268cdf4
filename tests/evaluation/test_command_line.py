"""What is the user's fault and what the program's, command by command; and how options were called before."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from contest.command_line import NOT_DONE, PROGRAM_FAULT
from errors import UserError
from evaluation.__main__ import PROGRAM, main

SCORED = ["--predictions", "p.json", "--ground-truth", "g.json"]

# Command -> (a function that its work calls, its options).
WORK = {
    "score": ("evaluation.scoring.score_run", ["score", *SCORED, "--ids", "i.json"]),
    "report": ("evaluation.results.read_result", ["report", "r.json", *SCORED, "--output", "report"]),
    "compare": ("evaluation.comparing.compare", ["compare", "demo/input.json", "demo/input.json"]),
    "leaderboard add": ("evaluation.results.read_result", ["leaderboard", "add", "r.json", "--db", "b", "--name", "n"]),
    "leaderboard show": ("evaluation.leaderboard.read", ["leaderboard", "show", "--db", "b"]),
    "leaderboard export": ("evaluation.leaderboard.read", ["leaderboard", "export", "--db", "b", "--output", "b.csv"]),
    "nomination": ("evaluation.leaderboard.read", ["nomination", "--db", "b"]),
    "run-container": (
        "evaluation.container.runner.archive_sha256",
        ["run-container", "a.zip", "--input", "demo", "--output", "out", "--engine", "process"],
    ),
    "reconstruction": (
        "evaluation.reconstruction.pairs.find_pairs",
        ["reconstruction", "--originals", "a", "--reconstructions", "b"],
    ),
    "power": ("evaluation.power.row_of", ["power", "--deviation", "0.4", "--samples", "100"]),
    "queue add": (
        "evaluation.container.runner.archive_sha256",
        ["queue", "add", "a.zip", "--spool", "s", "--team", "t"],
    ),
    "queue status": ("evaluation.queue.spool.Spool", ["queue", "status", "--spool", "s"]),
    "queue collect": ("evaluation.queue.spool.Spool", ["queue", "collect", "--spool", "s", "--db", "a"]),
    "bundle hub": (
        "evaluation.results.read_result",
        ["bundle", "hub", "r.json", "--benchmark", "someone/test", "--output", "out"],
    ),
    "bundle codabench": (
        "evaluation.platforms.codabench.write_bundle",
        ["bundle", "codabench", "--input", "demo", "--image", "x", "--output", "b.zip", *SCORED[2:], "--ids", "i.json"],
    ),
    "attempts list": ("evaluation.container.attempts.free_lapsed", ["attempts", "list", "--db", "a"]),
}


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*arguments: object, **options: object) -> NoReturn:
        raise error

    return fail


def plant(monkeypatch: pytest.MonkeyPatch, command: str, error: Exception) -> list[str]:
    target, arguments = WORK[command]
    if command == "compare":
        monkeypatch.setattr("evaluation.results.read_result", lambda path: None)
    monkeypatch.setattr(target, raising(error))
    return arguments


def test_every_command_is_tried() -> None:
    assert {command.split()[0] for command in WORK} == set(PROGRAM.commands)


@pytest.mark.parametrize("command", WORK)
def test_a_bug_keeps_its_traceback(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = plant(monkeypatch, command, ValueError("zip() argument 2 is longer than argument 1"))
    assert main(arguments) == PROGRAM_FAULT
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "ValueError: zip() argument 2 is longer than argument 1\n" in said
    assert "please report it" in said.splitlines()[-1]


class PlantedError(UserError):
    """What a user did."""


@pytest.mark.parametrize("command", WORK)
def test_a_user_s_error_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = plant(monkeypatch, command, PlantedError("it is no archive", "pack it again", where="a.zip"))
    assert main(arguments) == NOT_DONE
    line = f"evaluation {arguments[0]}: error [PLANTED] a.zip: it is no archive; pack it again\n"
    assert capsys.readouterr().err.splitlines(keepends=True)[-1] == line


@pytest.mark.parametrize(("old", "new"), PROGRAM.old_options.items())
def test_an_option_is_read_under_its_old_name(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = {"--output": "report", "--html": "score", "--with-emissions": "score", "--seed": "compare"}
    command = commands[new]
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert f"  {new} " in shown
    assert old not in shown.split()
    with pytest.raises(SystemExit):
        main([command, old])  # without its value: the complaint names the option as it is called now
    assert f"argument {new}" in capsys.readouterr().err
