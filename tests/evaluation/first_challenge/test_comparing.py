"""`evaluation compare` of two runs of the first challenge."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.__main__ import main
from evaluation.first_challenge.comparing import _Gaps, _sum_of
from evaluation.first_challenge.scoring import score_of, width_of
from evaluation.statistics import Difference
from tests.evaluation.first_challenge.test_first_challenge import PREDICTIONS, TEXTS, TRUTH, write


def result(root: Path, name: str, predictions: Any = PREDICTIONS, truth: Any = TRUTH, *more: str) -> Path:
    folders = write(root / name, "prediction", predictions), write(root / name, "true", truth)
    path = root / f"{name}.json"
    files = ["--predictions", str(folders[0]), "--ground-truth", str(folders[1]), "--json", str(path)]
    assert main(["score", "--challenge", "fbc1", "--resamples", "5", *files, *more]) == 0
    return path


def test_two_runs(tmp_path: Path, capsys: Any) -> None:
    worse = PREDICTIONS | {"HTR": dict.fromkeys(TEXTS, "?")}
    first, second = result(tmp_path, "worse", worse), result(tmp_path, "better")
    capsys.readouterr()
    assert main(["compare", str(first), str(second), "--resamples", "200"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["HTR"][:4] == ["0.000", "0.900", "+0.9000", "!"]
    assert rows["C2C"][:3] == ["1.000", "1.000", "+0.0000"]
    assert rows["zsOD"][-1] == "1.0000"


def test_runs_that_can_not_be_compared(tmp_path: Path, capsys: Any) -> None:
    first = result(tmp_path, "first")
    other_test = result(tmp_path, "other", truth=TRUTH | {"HTR": TEXTS | {"0.png": "мама"}})
    strict = result(tmp_path, "strict", PREDICTIONS, TRUTH, "--mode", "strict")
    alone = [result(tmp_path, name, {name: PREDICTIONS[name]}, {name: TRUTH[name]}) for name in ("HTR", "VQA")]
    capsys.readouterr()
    for pair, said in (
        ((first, other_test), "HTR: the results are of different test sets"),
        ((first, strict), "C2C: the scores do not measure the same"),
        (alone, "share no subtask"),
    ):
        assert main(["compare", *map(str, pair)]) == 2
        assert said in capsys.readouterr().err
    assert main(["compare", str(first), str(strict), "--different-signatures", "--resamples", "5"]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": {"0.png": [1]}}, '"rows" of HTR are not its counts'),
        ({"rows": {}}, '"rows" of HTR are not its counts'),
        ({"score": "1"}, '"score"'),
        ({"signature": None}, '"signature"'),
    ],
)
def test_a_result_that_is_none(tmp_path: Path, capsys: Any, change: Any, said: str) -> None:
    path = result(tmp_path, "first", {"HTR": TEXTS}, {"HTR": TEXTS})
    content = json.loads(path.read_text())
    content["subtasks"]["HTR"] |= change
    path.write_text(json.dumps(content))
    assert main(["compare", str(path), str(path)]) == 2
    assert said in capsys.readouterr().err


def test_counts_have_the_width_that_is_said(tmp_path: Path) -> None:
    content = json.loads(result(tmp_path, "first").read_text())
    for name, subtask in content["subtasks"].items():
        rows = list(subtask["rows"].values())
        assert {len(row) for row in rows} == {width_of(name)}
        sums = [sum(column) for column in zip(*rows, strict=True)]
        assert round(score_of(name)(sums), 3) == subtask["score"]


def test_figures_of_two_runs(tmp_path: Path, capsys: Any) -> None:
    """Nine texts lost of ten: both ways of each, p = 2 / 512; of the four subtasks that is the least, times four."""
    first = result(tmp_path, "worse", PREDICTIONS | {"HTR": dict.fromkeys(TEXTS, "?")})
    second = result(tmp_path, "better")
    capsys.readouterr()
    assert main(["compare", str(first), str(second), "--resamples", "300"]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["HTR"][-2:] == ["0.0039", "0.0156"]
    low, _, high = rows["HTR"][4:7]
    assert 0 < float(low) < 0.9 < float(high) <= 1
    assert rows["VQA"][2:] == ["+0.0000", "+0.0000", "..", "+0.0000", "1.0000", "1.0000"]
    assert rows["sum"][:4] == ["2.639", "3.539", "+0.9000", "!"]
    assert float(rows["sum"][-2]) < 0.05
    assert rows["sum"][-2] == rows["sum"][-1]


def test_an_interval_beside_its_difference_makes_the_sum_s_no_wider_there() -> None:
    """A bootstrap's interval may leave out the difference itself; how far it misses is no reach on that side."""
    parts = [Difference(0.1, (0.15, 0.3), 0.5), Difference(0.2, (0.1, 0.2), 0.5)]
    made = _sum_of([_Gaps(part, np.zeros(4)) for part in parts]).interval
    assert made == pytest.approx((0.3 - 0.1, 0.3 + 0.2))
