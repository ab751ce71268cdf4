"""What lies in the place of a file that was never fetched is named by every reader, with one remedy."""

from pathlib import Path

import pytest

from contest.tasks import TASKS
from evaluation.__main__ import main
from evaluation.results import write_result
from tests.evaluation.fakes import text, whole_result, write_files

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
    main(["leaderboard", "add", "--db", str(tmp_path / "b.db"), str(tmp_path / "result.json"), "--name=x"])
    return tmp_path


def _score(*more: str) -> list[str]:
    files = ["--predictions", "predictions.json", "--ground-truth", "ground_truth.json", "--ids", "ids.json"]
    return ["score", *files, *more, "--resamples", "10"]


def _add(*more: str) -> list[str]:
    return ["leaderboard", "add", "--db", "new.db", "result.json", "--name", "x", *more]


_RUN = ["run-container", "a.zip", "--input", ".", "--output", "out", "--engine", "process"]
READERS = {
    "predictions.json": _score(),
    "ground_truth.json": _score(),
    "ids.json": _score(),
    "result.json": ["compare", "result.json", "result.json"],
    "run.json": _add("--run", "run.json"),
    "emissions.csv": _add("--with-emissions", "emissions.csv"),
    "training_emissions.json": _add("--training-emissions", "training_emissions.json"),
    "b.db": ["leaderboard", "show", "--db", "b.db"],
    "attempts.db": ["attempts", "list", "--db", "attempts.db"],
    "limits.json": [*_RUN, "--limits", "limits.json"],
    "wordnet.db": _score("--wordnet", "wordnet.db", "--input", "."),
}
# An empty database is a new one, and an empty file of the contest is no JSON.
NEVER_EMPTY = ("result.json", "run.json", "emissions.csv", "training_emissions.json", "limits.json", "wordnet.db")
CASES = [(name, *case) for name in READERS for case in STAND_INS.values()]
CASES += [(name, *EMPTY) for name in NEVER_EMPTY]


@pytest.mark.parametrize(("name", "content", "told"), CASES)
def test_a_stand_in_is_named_with_its_remedy_alone(
    name: str,
    content: str,
    told: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files)
    if name == "wordnet.db":  # asked by a metric that knows synonyms
        write_files(files, {"1": next(task.id for task in TASKS if task.key == "vqa")})
    (files / name).write_text(content)
    (files / "a.zip").write_bytes(b"")
    capsys.readouterr()
    assert main(READERS[name]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert name in said or name == "predictions.json"
    assert said.endswith(told)
