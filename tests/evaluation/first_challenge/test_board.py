"""Runs of the first challenge on the leaderboard, in one file with others."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main
from evaluation.leaderboard import read
from tests.evaluation.first_challenge.test_comparing import result
from tests.evaluation.first_challenge.test_first_challenge import PREDICTIONS, TEXTS, TRUTH


def add(board: Path, path: Path, name: str) -> int:
    return main(["leaderboard", "add", str(path), "--db", str(board), "--name", name])


def test_runs_are_ranked_by_their_sum(tmp_path: Path, capsys: Any) -> None:
    board = tmp_path / "board.db"
    worse = PREDICTIONS | {"HTR": dict.fromkeys(TEXTS, "?")}
    other = TRUTH | {"HTR": TEXTS | {"0.png": "мама"}}
    for name, predictions, truth in (("worse", worse, TRUTH), ("better", PREDICTIONS, TRUTH), ("else", worse, other)):
        assert add(board, result(tmp_path, name, predictions, truth), name) == 0
    assert [run.integral for run in read(board)] == [2.639, 3.539, 2.639]
    capsys.readouterr()
    assert main(["leaderboard", "show", "--db", str(board)]) == 0
    printed = capsys.readouterr().out
    assert "published baseline" not in printed
    rows = [line.split() for line in printed.splitlines() if line.split()[2:3] in (["worse"], ["better"], ["else"])]
    assert [row[:4] for row in rows[:3]] == [
        ["1", "1", "better", "3.5390"],
        ["2", "2", "worse", "2.6390"],
        ["1", "1", "else", "2.6390"],
    ]
    assert main(["leaderboard", "show", "--db", str(board), "--by", "HTR"]) == 0
    printed = capsys.readouterr().out
    assert "ranked by HTR" in printed
    rows = [line.split() for line in printed.splitlines() if line.split()[2:3] in (["worse"], ["better"])]
    assert [row[:3] for row in rows[:2]] == [["1", "1", "better"], ["2", "2", "worse"]]
    assert main(["leaderboard", "show", "--db", str(board), "--by", "textqa"]) == 0
    assert capsys.readouterr().out == "no run has a score of textqa\n"
    assert main(["leaderboard", "export", "--db", str(board), "--output", str(tmp_path / "board.csv")]) == 0
    table = {row["name"]: row for row in csv.DictReader((tmp_path / "board.csv").open())}
    assert (table["better"]["HTR"], table["worse"]["rank"]) == ("0.9", "2")
    assert main(["nomination", "--db", str(board)]) == 2
    assert "no run of the leaderboard has an integral score" in capsys.readouterr().err


def test_a_run_of_one_subtask(tmp_path: Path) -> None:
    board = tmp_path / "board.db"
    assert add(board, result(tmp_path, "one", {"HTR": TEXTS}, {"HTR": TEXTS}), "one") == 0
    (run,) = read(board)
    assert (run.integral, run.scores["HTR"].score, run.scores["HTR"].n) == (None, 1.0, 10)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": None}, "no subtask has a score"),
        ({"interval": [1]}, '"interval" is not two numbers'),
        ({"test": 5}, '"test"'),
    ],
)
def test_a_result_that_is_none(tmp_path: Path, capsys: Any, change: Any, said: str) -> None:
    path = result(tmp_path, "first", {"HTR": TEXTS}, {"HTR": TEXTS})
    content = json.loads(path.read_text())
    content["subtasks"]["HTR"] |= change
    path.write_text(json.dumps(content))
    assert add(tmp_path / "board.db", path, "x") == 2
    assert said in capsys.readouterr().err
