"""What the programs' command lines share, tried on a small program in a process of its own."""

import os
import re
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import pytest

from contest import VERSION
from contest.command_line import OUR_PACKAGES, number, seed, whole
from contest.console import no_bar, quiet
from tests.test_floors import ROOMS

ROOT = Path(__file__).parents[2]
Runner: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

MAIN = """
from contest.command_line import Command, Program, run_program
from contest.console import start_program

PROGRAM = Program(
    name="small",
    description="What a test runs.",
    commands={
        "write": Command("small.write", "write a file"),
        "other": Command("small.absent", "not imported", quiet=False),
    },
    old_options={"--out": "--output"},
    statuses={1: "written, with faults"},
    import_remedy="ask the doctor",
)

if __name__ == "__main__":
    start_program(lambda: run_program(PROGRAM))
"""
WRITE = """
import os, signal, sys, time
from contest.command_line import UsageError, seed, whole
from contest.console import note, say, show
from errors import UserError

class PlantedError(UserError):
    pass

def add_arguments(parser):
    parser.add_argument("--output", metavar="FILE", help="where to")
    parser.add_argument("--workers", type=whole(least=0), default=0, help="processes")
    parser.add_argument("--seed", type=seed, default=7, help="of all chance")
    parser.add_argument("--fault", default="", help="what goes wrong")
    parser.add_argument("rest", nargs="*", help="more words")
    parser.set_defaults(run=run, when_stopped="the same command goes on", keeps=("output",))

def run(options):
    if options.fault == "signal":
        os.kill(os.getpid(), getattr(signal, options.rest[0]))
        time.sleep(60)
    exec(options.fault)
    if options.workers:
        note("on the way")
        say("a problem")
    show(f"{options.output} {options.workers} {options.seed} {options.rest}")
    return 1 if "faults" in options.rest else 0
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    folder = tmp_path_factory.mktemp("program")
    package = folder / "small"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(MAIN)
    (package / "write.py").write_text(WRITE)
    broken = folder / "broken"
    broken.mkdir()  # a package of others
    (broken / "__init__.py").write_text("def need(): raise ImportError('it needs more')\n")
    (broken / "at_once.py").write_text("raise RuntimeError('of another\\nversion')\n")
    (broken / "library.py").write_text("raise OSError('libfoo.so: cannot open shared object file')\n")

    def run(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "COLUMNS": "100"}
        return subprocess.run(
            [sys.executable, "-m", "small", *arguments],
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def test_the_help_lists_commands_and_statuses_and_imports_none(
    small: Runner,
) -> None:
    ended = small("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"^ +write +write a file$", ended.stdout, re.MULTILINE)
    assert re.search(r"^ +other +not imported$", ended.stdout, re.MULTILINE)
    statuses = dict(re.findall(r"^  (\d+) +(\S.*)$", ended.stdout, re.MULTILINE))
    assert list(statuses) == ["0", "1", "2", "70", "130", "138", "143"]
    assert statuses["1"] == "written, with faults"


def test_the_help_of_a_command_names_the_defaults(small: Runner) -> None:
    ended = small("write", "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    options = dict(re.findall(r"^  (--\w+).*?  +(\S.*)$", ended.stdout, re.MULTILINE))
    assert options == {
        "--output": "where to",
        "--workers": "processes (default: 0)",
        "--seed": "of all chance (default: 7)",
        "--quiet": "say nothing of how it goes; problems are named all the same",
        "--fault": "what goes wrong",
    }
    assert "Write a file." in ended.stdout
    assert "--out " not in ended.stdout


def test_quiet_leaves_out_how_it_goes_and_no_more(small: Runner) -> None:
    loud, quiet = small("write", "--workers", "1"), small("write", "--workers", "1", "--quiet")
    assert loud.stderr == "on the way\na problem\n"
    assert quiet.stderr == "a problem\n"
    assert quiet.stdout == loud.stdout != ""


def test_no_bar_is_drawn_where_quiet_is_wanted() -> None:
    assert no_bar() is None, "tqdm looks for a terminal"
    with quiet():
        assert no_bar() is True


def test_commands_that_tell_how_they_go_can_be_quiet() -> None:
    shorts = {
        f"{room} {name}"
        for room in ("abilities", "data_prep", "evaluation", "fetch", "submission", "training")
        for name, command in import_module(f"{room}.__main__").PROGRAM.commands.items()
        if not command.quiet
    }
    assert shorts == {
        *(f"submission {name}" for name in ("preview", "pack", "check", "doctor")),
        *(f"evaluation {name}" for name in ("report", "compare", "power", "leaderboard", "nomination", "attempts")),
        "evaluation bundle",
        "evaluation queue",  # two of its actions are long
        *(f"training {name}" for name in ("plots", "co2-report", "push")),
    }


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--version"], f"fbc2 {VERSION}\n"),
        (["write"], "None 0 7 []\n"),
        (["write", "--output", "a", "--workers", "0", "--seed", "-5"], "a 0 -5 []\n"),
        (["write", "--out", "a"], "a 0 7 []\n"),
        (["write", "--out=a"], "a 0 7 []\n"),
        (["write", "--output=--out"], "--out 0 7 []\n"),
        (["write", "--out", "a", "--", "--out", "b"], "a 0 7 ['--out', 'b']\n"),
        (["write", "c", "--seed", "1", "d", "--out", "a", "e"], "a 0 1 ['c', 'd', 'e']\n"),
        (["write", "--seed", "1", "d", "--out", "a", "e", "--", "--f"], "a 0 1 ['d', 'e', '--f']\n"),
    ],
)
def test_words_are_read(small: Runner, arguments: list[str], output: str) -> None:
    ended = small(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, output, "")


def test_the_status_is_that_of_the_command(small: Runner) -> None:
    assert small("write", "faults").returncode == 1


HELP = "`python -m small write --help` shows what it takes"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            "small: error [USAGE] the following arguments are required: COMMAND; "
            "`python -m small --help` shows what it takes",
        ),
        (
            ["write", "--workers", "-1"],
            "small write: error [USAGE] argument --workers: must be a whole number from 0, not '-1'; " + HELP,
        ),
        (["write", "--nonsense"], "small write: error [USAGE] unrecognized arguments: --nonsense; " + HELP),
        (
            ["write", "a", "--seed", "1", "b", "--nonsense"],
            "small write: error [USAGE] unrecognized arguments: --nonsense; " + HELP,
        ),
        (
            ["write", "--fault", "raise UsageError('--a needs --b', 'give both')"],
            "small write: error [USAGE] --a needs --b; give both",
        ),
        (
            ["write", "--fault", "raise PlantedError('it has no end', 'add one', where='a.txt')"],
            "small write: error [PLANTED] a.txt: it has no end; add one",
        ),
        (
            ["write", "--fault", "open('/nowhere/a')"],
            "small write: error [FILE_NOT_FOUND] /nowhere/a: No such file or directory",
        ),
        (
            ["write", "--fault", "import no_such_package"],
            "small write: error [IMPORT] no_such_package can not be imported "
            "(No module named 'no_such_package'); ask the doctor",
        ),
        (
            ["write", "--fault", "from json import no_such_name"],
            "small write: error [IMPORT] json can not be imported (cannot import name 'no_such_name' from 'json' (",
        ),
        (
            ["write", "--fault", "import broken.at_once"],
            "small write: error [IMPORT] broken can not be imported (of another\\nversion); ask the doctor",
        ),
        (
            ["write", "--fault", "import broken.library"],
            "small write: error [IMPORT] broken can not be imported "
            "(libfoo.so: cannot open shared object file); ask the doctor",
        ),
        (
            ["write", "--fault", "import broken; broken.need()"],
            "small write: error [IMPORT] broken can not be imported (it needs more); ask the doctor",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(small: Runner, arguments: list[str], line: str) -> None:
    ended = small(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("int('x')", "ValueError: invalid literal"),
        ("list(zip([1], [], strict=True))", "ValueError: zip()"),
        ("{}['key']", "KeyError: 'key'"),
        ("import contest.no_such_module", "ModuleNotFoundError: No module named 'contest.no_such_module'"),
        ("from contest.items import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("raise ImportError('nobody knows what')", "ImportError: nobody knows what"),
    ],
)
def test_a_fault_of_the_program_keeps_its_traceback_and_asks_for_a_report(
    small: Runner, fault: str, error: str
) -> None:
    ended = small("write", "--fault", fault)
    assert (ended.returncode, ended.stdout) == (70, "")
    lines = ended.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith(error)
    assert lines[-1] == (
        f"small write: this is a fault of the program: please report it with the lines above, fbc2 {VERSION}"
    )


def test_a_command_that_is_not_there_is_a_fault(small: Runner) -> None:
    assert small("other").returncode == 70


@pytest.mark.parametrize(
    ("signal", "status", "word"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated"), ("SIGHUP", 129, "hung up")],
)
def test_a_stopped_command_says_one_line(small: Runner, signal: str, status: int, word: str) -> None:
    ended = small("write", "--fault", "signal", signal)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr == f"small write: {word}; the same command goes on\n"


def test_a_lost_result_is_a_failure_unless_it_is_kept(small: Runner) -> None:
    with open("/dev/full", "w") as full:
        lost, kept = small("write", stdout=full.fileno()), small("write", "--output", "a", stdout=full.fileno())
    assert (lost.returncode, kept.returncode) == (2, 0)
    assert lost.stderr.startswith("small write: error [OUTPUT] the result could not be printed")
    assert kept.stderr.startswith("small write: warning: the result could not be printed")
    assert kept.stderr.endswith("it is written: a\n")


def test_our_packages_are_all_rooms() -> None:
    assert sorted(OUR_PACKAGES) == sorted(ROOMS)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole(least=1), "1", 1),
        (whole(least=1), str(2**63 - 1), 2**63 - 1),
        (whole(least=1, most=3), "3", 3),
        (number(least=0), "0", 0.0),
        (number(least=0, most=1), "1e-3", 0.001),
        (number(least=0, above=True), "0.5", 0.5),
        (seed, str(-(2**63)), -(2**63)),
    ],
)
def test_numbers_within_bounds_are_read(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (whole(least=1), "0", "must be a whole number from 1, not '0'"),
        (whole(least=1), str(2**63), f"must be a whole number from 1, not '{2**63}'"),
        (whole(least=1, most=3), "4", "must be a whole number from 1 to 3, not '4'"),
        (whole(least=1), "1.5", "must be a whole number from 1, not '1.5'"),
        (whole(least=1), "9" * 5000, f"must be a whole number from 1, not '{'9' * 39}…'"),
        (number(least=0), "nan", "must be a number from 0, not 'nan'"),
        (number(least=0), "inf", "must be a number from 0, not 'inf'"),
        (number(least=0, most=1), "1.1", "must be a number from 0 to 1, not '1.1'"),
        (number(least=0, above=True), "0", "must be a number above 0, not '0'"),
        (seed, "x", f"must be a whole number from {-(2**63)}, not 'x'"),
    ],
)
def test_numbers_out_of_bounds_are_refused(read: Callable[[str], float], text: str, message: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        read(text)
    assert str(caught.value) == message
