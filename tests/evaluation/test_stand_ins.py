"""What lies in the place of a file that was never fetched is named by every reader, with one remedy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contest.tasks import TASKS
from evaluation.__main__ import main
from evaluation.results import write_result
from tests.evaluation.fakes import text, whole_result, write_files

ROOT = Path(__file__).parents[2]
RUCLIP = ROOT / "tests/golden/ruclip"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "5e" * 32 + "\nsize 29707814\n"
FETCH = "a Git LFS pointer stands in for the file; fetch it with `git lfs pull`"
STAND_INS = {
    "pointer": (POINTER, FETCH),
    "annex": (
        "/annex/objects/SHA256E-s29707814--5e5e.bin\n",
        "a git-annex pointer stands in for the file; fetch it with `git annex get`",
    ),
    "page": (
        "<!DOCTYPE html>\n<html><title>Sign in</title></html>",
        "an HTML page stands in for the file; download it again, signed in where that is asked",
    ),
}
EMPTY = ("", "the file is empty; fetch it again")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A sound file of each kind that a command reads."""
    write_files(tmp_path, {"1": 1}, answers={"1": text("yes")})
    write_result(tmp_path / "result.json", whole_result(0.5))
    main(["leaderboard", "add", "--db", str(tmp_path / "b.db"), "--result", str(tmp_path / "result.json"), "--name=x"])
    shutil.copytree(RUCLIP, tmp_path / "assets/ruclip")
    (tmp_path / "assets/inception").mkdir()
    return tmp_path


def _score(*more: str) -> list[str]:
    files = ["--predictions", "predictions.json", "--ground-truth", "ground_truth.json", "--ids", "ids.json"]
    return ["score", *files, *more, "--resamples", "10"]


def _add(*more: str) -> list[str]:
    return ["leaderboard", "add", "--db", "new.db", "--result", "result.json", "--name", "x", *more]


_RUN = ["run-container", "a.zip", "--input", ".", "--output", "out", "--engine", "process"]
READERS = {
    "predictions.json": _score(),
    "ground_truth.json": _score(),
    "ids.json": _score(),
    "result.json": ["compare", "result.json", "result.json"],
    "run.json": _add("--run", "run.json"),
    "emissions.csv": _add("--emissions", "emissions.csv"),
    "training_emissions.json": _add("--training-emissions", "training_emissions.json"),
    "b.db": ["leaderboard", "show", "--db", "b.db"],
    "attempts.db": ["attempts", "list", "--db", "attempts.db"],
    "limits.json": [*_RUN, "--limits", "limits.json"],
    "wordnet.db": _score("--wordnet", "wordnet.db"),
}
NOT_WHEN_EMPTY = ("predictions.json", "ground_truth.json", "ids.json", "b.db", "attempts.db")  # or a new database


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(("content", "told"), [*STAND_INS.values(), EMPTY], ids=[*STAND_INS, "empty"])
def test_a_stand_in_is_named_with_its_remedy_alone(
    content: str,
    told: str,
    name: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not content and name in NOT_WHEN_EMPTY:
        pytest.skip("an empty file is told in other words")
    monkeypatch.chdir(files)
    if name == "wordnet.db":  # asked by the metric of captions alone
        task = next(task.id for task in TASKS if task.key == "captioning")
        write_files(files, {"1": task})
    (files / name).write_text(content)
    (files / "a.zip").write_bytes(b"")
    capsys.readouterr()
    assert main(READERS[name]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert name in said or name == "predictions.json"
    assert said.endswith(told)


NETWORKS: dict[str, Callable[[], list[str]]] = {
    "ruclip/config.json": lambda: ["--fid-features", "ruclip"],
    "ruclip/pytorch_model.bin": lambda: ["--fid-features", "ruclip"],
    "ruclip/bpe.model": lambda: ["--fid-features", "ruclip"],
}
