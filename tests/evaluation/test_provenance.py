"""What the leaderboard takes from run.json: the files are those that `python -m submission run` writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation import leaderboard
from evaluation.__main__ import main
from evaluation.errors import ResultFileError
from evaluation.provenance import read_run_report
from evaluation.results import write_result
from tests.evaluation.fakes import text, whole_result

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights"
# What `sha256sum bpe.model rudolph/* vqgan/config.json vqgan/model.safetensors | sha256sum` prints in that folder.
HASHED = (
    "bpe.model",
    "rudolph/config.json",
    "rudolph/model.safetensors",
    "vqgan/config.json",
    "vqgan/model.safetensors",
)
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
RUNS = {
    "one process": ((), ("--weights", WEIGHTS, "--seed", 7)),
    "two processes that choose": (TORCHRUN, ("--weights", WEIGHTS, "--draws", 2, "--ruclip", WEIGHTS / "ruclip")),
    "no time": ((), ("--weights", WEIGHTS, "--time-limit", 0.1)),
    "no weights": ((), ("--weights", ROOT / "demo")),
}


class Reports(dict[str, Path]):
    """The run.json of each of RUNS; a run is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        (folder / "input.json").write_text(json.dumps({"0": text("2 + 2?"), "1": text("Нарисуй круг")}), "utf-8")

    def __missing__(self, name: str) -> Path:
        launcher, options = RUNS[name]
        output = self.folder / name
        command = [*launcher, "submission", "run", "--input", self.folder, "--output", output, *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-m", *map(str, command)], cwd=ROOT, env=environment, capture_output=True, timeout=300
        )
        self[name] = output / "run.json"
        return self[name]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    return Reports(tmp_path_factory.mktemp("runs"))


def added(run: Path, folder: Path, *options: str) -> leaderboard.Provenance:
    write_result(folder / "result.json", whole_result(0.5))
    board = folder / "board.sqlite"
    names = ["--db", str(board), str(folder / "result.json"), "--name", "x", "--run", str(run)]
    assert main(["leaderboard", "add", *names, *options]) == 0
    return leaderboard.read(board)[-1].provenance


def sha256sums(*more: str) -> str:
    listed = subprocess.run(["sha256sum", *HASHED], cwd=WEIGHTS, capture_output=True, check=True).stdout
    sums = subprocess.run(["sha256sum"], input=listed, capture_output=True, check=True).stdout
    return sums.decode().split()[0]


def test_a_run_of_one_process(reports: Reports, tmp_path: Path) -> None:
    report = json.loads(reports["one process"].read_text("utf-8"))
    found = added(reports["one process"], tmp_path)
    assert (found.profile, found.seed, found.seconds) == ("tuned", 7, report["seconds"])
    assert found.hardware == report["device"]["name"]
    assert found.weights == sha256sums()


@pytest.mark.slow
def test_processes_that_choose_among_drawings(reports: Reports, tmp_path: Path) -> None:
    report = json.loads(reports["two processes that choose"].read_text("utf-8"))
    found = added(reports["two processes that choose"], tmp_path)
    assert found.hardware == f"2 x {report['device']['name']}"
    assert found.weights not in (None, sha256sums())  # the ruCLIP that chose is part of it


# Whether the weights are loaded before the time is up depends on the machine.
@pytest.mark.parametrize(
    ("name", "ended", "weights"), [("no time", "time limit", (None, sha256sums())), ("no weights", "failed", (None,))]
)
def test_a_run_that_ended_early(
    name: str,
    ended: str,
    weights: tuple[str | None, ...],
    reports: Reports,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = added(reports[name], tmp_path)
    assert (found.profile, found.seed) == ("tuned", 0)
    assert found.weights in weights
    assert f"run.json is of a run that ended early: {ended}" in capsys.readouterr().err


def test_options_overrule_the_report(reports: Reports, tmp_path: Path) -> None:
    options = ("--profile", "mine", "--seed", "0", "--weights-hash", "5e1f", "--hardware", "abacus", "--seconds", "0")
    found = added(reports["one process"], tmp_path, *options)
    assert (found.profile, found.seed, found.weights, found.hardware, found.seconds) == ("mine", 0, "5e1f", "abacus", 0)


def test_several_processes_are_one_line_of_hardware(reports: Reports, tmp_path: Path) -> None:
    report = json.loads(reports["one process"].read_text("utf-8"))
    path = tmp_path / "run.json"
    path.write_text(json.dumps(report | {"processes": [{"device": {"name": name}} for name in ("A", "A", "B")]}))
    assert read_run_report(path).hardware == "2 x A, B"


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_sha256": "5e1f"}, "\"weights_sha256\" is the string '5e1f', not an object"),
        ({"weights_sha256": {"bpe.model": None}}, "'bpe.model' of \"weights_sha256\" is null, not a string"),
        ({"seed": 10**20}, '"seed" is a number of more than twenty digits, not a whole number of at most 64 bits'),
        ({"seconds": 10**400}, '"seconds" is a number of more than twenty digits, not a finite number'),
        ({"seconds": float("inf")}, '"seconds" is the number inf, not a finite number'),
        ({"profile": {"name": "\ud800"}}, '"name" holds half a surrogate pair'),
        ({"processes": [{}]}, 'it has no "device"'),
        ({"processes": {}}, '"processes" is an object, not a list'),
        (None, "the top level is a list of 0, not an object"),
        (DEEP, "it is nested too deeply to be read"),
        ('{"seed": ' + "7" * 5000 + "}", "it is not JSON: "),
        (b"\xff", "it is not UTF-8: "),
    ],
    ids=range(12),
)
def test_what_is_no_report_of_a_run_is_told_in_its_own_words(
    change: object, message: str, reports: Reports, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    if isinstance(change, dict):
        path.write_text(json.dumps(json.loads(reports["one process"].read_text("utf-8")) | change))
    elif isinstance(change, bytes):
        path.write_bytes(change)
    else:
        path.write_text("[]" if change is None else str(change))
    with pytest.raises(ResultFileError) as raised:
        read_run_report(path)
    assert message in str(raised.value)
    assert str(raised.value).endswith("; give the run.json that `submission run` wrote")
