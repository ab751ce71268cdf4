"""Commands whose output can not be written: results are written first, and the exit status says what became of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contest.console import TolerantStream
from evaluation.__main__ import main
from evaluation.container import attempts
from evaluation.container.verdict import Fault, Verdict
from evaluation.results import write_result
from tests.evaluation.fakes import text, whole_result, write_files

ROOT = Path(__file__).parents[2]
TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node=2"
LOST = "error [OUTPUT] the result could not be printed (No space left on device)"
WARNING = "warning: 1 warning; --verbose tells more"
KEPT = "warning: the result could not be printed (No space left on device); it is written: "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test set of one text sample with an id that a terminal would act on, a result, a leaderboard."""
    found = tmp_path_factory.mktemp("output")
    answers = {"a": text("no"), "\x1b[2J=\u202e": text("yes")}
    write_files(found, {"a": 0}, answers=answers)
    write_result(found / "r.json", whole_result(0.5))
    number = attempts.begin(found / "register", "us", "5e1f")
    attempts.finish(found / "register", number, Verdict(Fault.NONE, integral=0.25))
    name = "--name 'x' --profile $'\\e[31m'"
    assert run(f"leaderboard add r.json --db board {name}", found).returncode == 0
    return found


def run(command: str, folder: Path, *, launcher: str = "") -> subprocess.CompletedProcess[str]:
    script = f'"{sys.executable}" {launcher} -m evaluation {command}'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


SCORE = "score --predictions predictions.json --ground-truth ground_truth.json --ids ids.json --resamples 10"


REPORT = "report r.json --predictions predictions.json --ground-truth ground_truth.json --output o"


@pytest.mark.parametrize(
    ("command", "status", "told", "files"),
    [
        (SCORE, 2, LOST, ()),
        (f"{SCORE} --json o/1.json", 0, KEPT + "o/1.json", ("o/1.json",)),
        (f"{SCORE} --csv o/3.csv --html o/3", 0, KEPT + "o/3.csv, o/3", ("o/3.csv", "o/3/report.html")),
        ("compare r.json r.json", 2, LOST, ()),
        ("leaderboard show --db board", 2, LOST, ()),
        ("leaderboard export --db board --output o/b.csv", 0, KEPT + "o/b.csv", ("o/b.csv",)),
        ("leaderboard add r.json --db o/board --name x", 0, KEPT + "o/board", ("o/board",)),
        ("nomination --db board", 2, LOST, ()),
        (REPORT, 0, KEPT + "o", ("o/report.html",)),
        ("attempts list --db register", 2, LOST, ()),
        ("attempts choose --db register --team us 1", 0, KEPT + "register", ("register",)),
    ],
)
def test_a_full_disk_behind_the_output(
    command: str,
    status: int,
    told: str,
    files: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "o").mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", TolerantStream(full.fileno(), "<stdout>"))
        assert main(command.split()) == status
    assert all((folder / name).stat().st_size > 0 for name in files)
    assert f"evaluation {command.split()[0]}: {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("redirection", "status", "files"),
    [
        ("> /dev/full", 2, ()),
        ("--json 1.json > /dev/full 2>&1", 0, ("1.json",)),
        ("--json 2.json >&- 2>&-", 0, ("2.json",)),
    ],
)
def test_a_program_whose_output_fails(redirection: str, status: int, files: tuple[str, ...], folder: Path) -> None:
    ended = run(f"{SCORE} {redirection}", folder)
    assert ended.returncode == status
    assert all(json.loads((folder / name).read_text("utf-8"))["tasks"]["textqa"]["n"] == 1 for name in files)
    told = [f"evaluation score: {WARNING}", f"evaluation score: {LOST}".split(" (")[0]]
    assert [line.split(" (")[0] for line in ended.stderr.splitlines()] == told * (status == 2)


@pytest.mark.slow
def test_what_two_processes_can_not_print(folder: Path) -> None:
    ended = run(f"{SCORE} --json two.json > /dev/full", folder, launcher=TORCHRUN)
    assert ended.returncode == 0
    assert json.loads((folder / "two.json").read_text("utf-8"))["tasks"]["textqa"]["n"] == 1
    assert ended.stderr.count(KEPT) == 1


def test_what_strangers_wrote_stays_text(folder: Path) -> None:
    scored = run(f"{SCORE} --verbose", folder)
    assert r"\x1b[2J=\u202e" in scored.stderr
    shown = run("leaderboard show --db board", folder)
    assert r"\x1b[31m" in shown.stdout
    for found in (scored, shown):
        assert "\x1b" not in found.stdout + found.stderr
        assert "\u202e" not in found.stdout + found.stderr


def test_at_most_five_lines_stand_under_the_table(folder: Path) -> None:
    ended = run(f"{SCORE} --json five.json --html five", folder)
    lines = ended.stdout.splitlines()
    under = lines[[line.split()[:1] for line in lines].index(["S"]) + 1 :]
    assert under == [
        "S needs all twelve tasks; missing: mathqa, generation, captioning, vqa, text_recognition, hidden1, hidden2, "
        "hidden3, hidden4, hidden5, hidden6",
        "not eligible for a prize: below the threshold in textqa",
        "result: five.json (next: `evaluation compare`, or `evaluation leaderboard add`)",
        "report: five/report.html (open it in a browser)",
    ]
    assert ended.stderr == f"evaluation score: {WARNING}\n"
