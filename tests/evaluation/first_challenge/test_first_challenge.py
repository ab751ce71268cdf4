"""`evaluation score --challenge fbc1` from files to the table, and what is said when something is missing."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main
from evaluation.first_challenge.files import SUBTASKS, find_file
from evaluation.first_challenge.scoring import score_challenge
from evaluation.statistics import Resampling
from tests.evaluation.metrics.fbc1.goldens import golden

CODE = {str(number): f"def f(a):\n    b = a + {number}\n    return b\n" for number in range(6)}
TEXTS = {f"{number}.png": f"слово {number}" for number in range(10)}
BOXES = {f"{number}.jpg": {"кот": [[0, 0, 10, 10]], "дом": []} for number in range(5)}
QUESTIONS = {str(number): {"lang": "ru", "answer": "кот", "question": "?"} for number in range(8)}

TRUTH: dict[str, Any] = {"C2C": CODE, "HTR": TEXTS, "zsOD": BOXES, "VQA": QUESTIONS}
PREDICTIONS: dict[str, Any] = {
    "C2C": CODE,
    "HTR": TEXTS | {"0.png": "слава 0"},
    "zsOD": BOXES | {"0.jpg": {"кот": [], "дом": []}},
    "VQA": {key: "Коты" if int(key) < 6 else "пёс" for key in QUESTIONS},
}


def write(root: Path, kind: str, files: dict[str, Any]) -> Path:
    folder = root / kind
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{kind}_{name}.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return folder


def run(tmp_path: Path, *more: str, truth: Any = TRUTH, predictions: Any = PREDICTIONS) -> int:
    before, after = write(tmp_path, "prediction", predictions), write(tmp_path, "true", truth)
    files = ["--predictions", str(before), "--ground-truth", str(after)]
    return main(["score", "--challenge", "fbc1", *files, "--resamples", "50", *more])


def test_a_run_from_files_to_the_table(tmp_path: Path, capsys: Any) -> None:
    paths = [tmp_path / "r.json", tmp_path / "r.csv"]
    assert run(tmp_path, "--json", str(paths[0]), "--csv", str(paths[1]), "--place", "1", "--verbose") == 0
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:3] for line in printed.splitlines() if line.split()[:1]}
    assert rows["C2C"] == ["6", "1.000"] or "C2C:" in rows
    assert (rows["HTR"], rows["zsOD"], rows["VQA"]) == (["10", "0.900"], ["5", "0.889"], ["8", "0.750"])
    assert "sum: 3.539 of 4, minimum 1.3" in printed
    assert "prize at place 1: 3,000,000 roubles" in printed
    assert "single-task 39.34 kg, fusion 27.45 kg" in printed
    assert "c2c|challenge:fbc1|mode:official|grammar:tree-sitter-python-" in printed
    result = json.loads(paths[0].read_text())
    assert (result["total"], result["below_minimum"]) == (3.539, [])
    assert result["subtasks"]["HTR"]["rows"]["0.png"] == [0, 1]
    low, high = result["subtasks"]["HTR"]["interval"]
    assert low < 0.9 < high
    table = list(csv.DictReader(paths[1].open()))
    assert [row["subtask"] for row in table] == [*SUBTASKS, "sum"]
    assert table[-1]["score"] == "3.539"


def test_intervals_depend_on_the_seed_alone(tmp_path: Path) -> None:
    folders = write(tmp_path, "prediction", PREDICTIONS), write(tmp_path, "true", TRUTH)
    first, again, other = (score_challenge(*folders, "official", Resampling(50, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.subtasks["HTR"] == other.subtasks["HTR"]  # nothing is drawn for it


def test_a_subtask_that_their_script_stops_at_has_no_score(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, predictions=PREDICTIONS | {"VQA": {"0": "кот"}}) == 1
    printed = capsys.readouterr().out
    assert "no sum: VQA not scored" in printed
    assert "VQA has no score: the questions of the predictions are not those of the truth" in printed


def test_strict_scores_it_and_names_what_is_missing(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, "--mode", "strict", predictions=PREDICTIONS | {"VQA": {"0": "кот"}}) == 1
    printed = capsys.readouterr().out
    assert "VQA: 7 x there is no prediction" in printed
    assert "no prize for all four: VQA not above the minimum" in printed


def test_one_subtask_alone(tmp_path: Path, capsys: Any) -> None:
    assert run(tmp_path, truth={"HTR": TEXTS}, predictions={"HTR": TEXTS}) == 0
    assert "no sum: C2C, zsOD, VQA not scored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("truth", "predictions", "said"),
    [
        ({}, PREDICTIONS, "none of true_C2C.json"),
        ({"HTR": TEXTS}, {}, "there is no prediction_HTR.json"),
        ({"HTR": {}}, {"HTR": {}}, "there is no sample to score"),
        ({"HTR": TEXTS}, {"HTR": []}, "the prediction file is no JSON object"),
    ],
)
def test_nothing_can_be_scored(tmp_path: Path, capsys: Any, truth: Any, predictions: Any, said: str) -> None:
    assert run(tmp_path, truth=truth, predictions=predictions) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_json(tmp_path: Path, capsys: Any) -> None:
    folders = write(tmp_path, "prediction", {}), write(tmp_path, "true", {"HTR": TEXTS})
    (folders[0] / "prediction_HTR.json").write_bytes(b"{\xff")
    arguments = ["--predictions", str(folders[0]), "--ground-truth", str(folders[1])]
    assert main(["score", "--challenge", "fbc1", *arguments]) == 2
    assert "prediction_HTR.json: it is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["prediction_С2С.json", "prediction_C2C.json"])
def test_both_spellings(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_file(tmp_path, "prediction", "C2C") == tmp_path / name


@pytest.mark.parametrize("more", [["--tasks", "textqa"], ["--emissions", "x"], ["--ids", "x"]])
def test_options_of_the_other_challenge(tmp_path: Path, capsys: Any, more: list[str]) -> None:
    assert run(tmp_path, *more) == 2
    assert "[USAGE]" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--ids", "x", "--place", "1"]])
def test_options_of_this_challenge(capsys: Any, more: list[str]) -> None:
    assert main(["score", "--predictions", "x", "--ground-truth", "y", *more]) == 2
    assert "[USAGE]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("subtask", "name", "value"), [("HTR", "htr", "value"), ("VQA", "vqa", "value"), ("zsOD", "zsod", "value")]
)
def test_golden_cases_through_files(tmp_path: Path, subtask: str, name: str, value: str) -> None:
    case = max((case for case in golden(name) if value in case), key=lambda case: len(case["true"]))
    folders = write(tmp_path, "prediction", {subtask: case["pred"]}), write(tmp_path, "true", {subtask: case["true"]})
    result = score_challenge(*folders, "official", Resampling(5))
    assert result.subtasks[subtask].score == round(case["value"], 3)
