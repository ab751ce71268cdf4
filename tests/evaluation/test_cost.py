"""Cost beside quality: from `run.json` into scores, tables and the leaderboard; who is cheap and good."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contest.emissions.rows import EnergyReading
from contest.emissions.run_energy import RunEnergy
from evaluation import leaderboard
from evaluation.__main__ import main
from evaluation.cost import FIGURES, NO_METER, RunCost, cost_line, cost_of_report, pareto_front, shown
from evaluation.json_values import WrongValueError
from evaluation.leaderboard import leaderboard_table, to_csv, to_json
from evaluation.results import read_result, write_result
from evaluation.table import result_table
from tests.evaluation.fakes import whole_result, write_files

GPU = EnergyReading("gpu 0", "NVML energy counter, the whole GPU", 0.005, 0.002, 0.002)
# 10,800 J and 1.2 g are left of it without the idle part.
COST = {
    "samples": 20,
    "sessions": 2,
    "seconds": 30.0,
    "answers": {"count": 20, "seconds": 5.0, "tokens": 100},
    "pictures": {"count": 6, "seconds": 12.0, "tokens": 384},
    "energy": RunEnergy(0.01, 0.004, (GPU,)).to_json(),
}
FOUND = RunCost(20, 30.0, 4.0, 0.5, 24.2, 540.0, 0.06, f"gpu 0: {GPU.method}, idle of 7.2e+03 J subtracted")
PARTLY = RunCost(20, 30.0, 4.0, None, 5.0, None, None, NO_METER)


def test_the_figures_of_a_run() -> None:
    found = cost_of_report(COST, "cost")
    assert found is not None
    assert (found.energy_method, found.samples, found.seconds) == (FOUND.energy_method, 20, 30.0)
    assert [getattr(found, name) for name in FIGURES] == pytest.approx([getattr(FOUND, name) for name in FIGURES])
    nothing_drawn = COST | {"pictures": {"count": 0, "seconds": 0.0, "tokens": 0}, "energy": None}
    assert cost_of_report(nothing_drawn, "cost") == PARTLY
    assert cost_of_report(None, "cost") is None
    assert cost_of_report(COST | {"samples": 0}, "cost") is None


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"samples": "20"}, '"samples" is'),
        ({"answers": {"count": 1}}, 'it has no "seconds"'),
        ({"answers": {"count": -1, "seconds": 1.0, "tokens": 1}}, "negative or not finite"),
        ({"seconds": -1.0}, "negative or not finite"),
        ({"energy": []}, '"energy" is'),
        ({"energy": {}}, "\"energy\" has no 'energy_kwh'"),
        ({"energy": {"energy_kwh": 1, "co2_kg": "much", "readings": [], "problems": []}}, "no number"),
        ({"energy": {"energy_kwh": 1, "co2_kg": -1, "readings": [], "problems": []}}, "negative"),
        ({"energy": {"energy_kwh": 1, "co2_kg": 1, "readings": 7, "problems": []}}, "not what the meter writes"),
    ],
)
def test_what_is_no_cost_is_named(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        cost_of_report(COST | changed, "cost")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not known"),
        (0.0, "0"),
        (0.000123456, "0.000123"),
        (12.345, "12.3"),
        (999.7, "1000"),
        (123456.7, "123457"),
    ],
)
def test_a_figure_as_text(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_the_line_of_a_table() -> None:
    assert cost_line(FOUND) == "cost: 4 answers/s, 0.5 pictures/s, 24.2 tokens/sample, 540 J/sample, 0.06 g CO2/sample"
    assert cost_line(PARTLY) == ("cost: 4 answers/s, 5 tokens/sample; not known: pictures/s, J/sample, g CO2/sample")
    table = result_table(replace(whole_result(0.5), cost=FOUND), verbose=True)
    assert f"energy: {FOUND.energy_method}" in table
    assert "cost" not in result_table(whole_result(0.5))


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(5.0, 0.2)], [True]),
        ([(5.0, 0.2), (5.0, 0.2)], [True, True]),  # equal ones do not push each other off
        ([(5.0, 0.2), (5.0, 0.3), (4.0, 0.2)], [False, True, True]),
        ([(1.0, 0.1), (2.0, 0.2), (3.0, 0.15), (9.0, 0.9)], [True, True, False, True]),
    ],
)
def test_the_pareto_front(points: Sequence[tuple[float, float]], front: list[bool]) -> None:
    assert pareto_front(points) == front


def run_json(path: Path, cost: Any) -> None:
    """A report as `submission run` writes it, as far as it is read here."""
    device = {"device": {"type": "cpu", "name": "x86_64"}}
    rest = {"weights_sha256": {"a": "b"}, "profile": {"name": "tuned"}, "seed": 1, "seconds": 9.0, "ended": "finished"}
    path.write_text(json.dumps({**rest, **device, "processes": [device], "cost": cost}))


def scored(folder: Path, samples: int, *more: str) -> int:
    files = write_files(folder, {str(number): 0 for number in range(samples)})
    paths = ["--predictions", str(files.predictions), "--ground-truth", str(files.ground_truth)]
    outputs = ["--ids", str(files.ids), "--json", str(folder / "r.json"), "--csv", str(folder / "r.csv")]
    return main(["score", *paths, *outputs, *more])


def test_score_finds_the_run_beside_the_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(tmp_path / "run.json", COST)
    assert scored(tmp_path, 20) == 0
    assert cost_line(FOUND) in capsys.readouterr().out
    cost = read_result(tmp_path / "r.json").cost
    assert cost is not None
    assert cost.joules_per_sample == pytest.approx(540)
    *tasks, whole = csv.DictReader((tmp_path / "r.csv").open(newline=""))
    assert float(whole["joules_per_sample"]) == pytest.approx(540)
    assert whole["energy_method"] == FOUND.energy_method
    assert {task["joules_per_sample"] for task in tasks} == {""}

    # Of a run over fewer samples, of an earlier version, unreadable, gone: no cost, and never 0.
    for content, told in (
        (COST | {"samples": 3}, "is of a run over 3 samples, and 20 were scored"),
        (None, None),
        ([], "what the run cost is not known"),
    ):
        run_json(tmp_path / "run.json", content)
        assert scored(tmp_path, 20) == 0
        result = read_result(tmp_path / "r.json")
        assert result.cost is None
        assert [told in warning for warning in result.warnings if told] == [True] * (told is not None)
    (tmp_path / "run.json").unlink()
    assert scored(tmp_path, 20) == 0
    assert "cost" not in capsys.readouterr().out.splitlines()[-4]


def test_a_run_that_is_named_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_json(tmp_path / "other.json", [])
    with monkeypatch.context() as patch:
        patch.setattr("evaluation.scoring.score_run", lambda *_, **__: pytest.fail("it was scored first"))
        assert scored(tmp_path, 2, "--run", str(tmp_path / "other.json")) == 2
    assert "is no report of a run" in capsys.readouterr().err
    run_json(tmp_path / "other.json", None)
    assert scored(tmp_path, 2, "--run", str(tmp_path / "other.json")) == 0
    assert read_result(tmp_path / "r.json").warnings[-1].startswith(f"{tmp_path / 'other.json'} tells no cost")
    run_json(tmp_path / "other.json", COST)
    run_json(tmp_path / "run.json", [])  # is not looked at
    assert scored(tmp_path, 2, "--run", str(tmp_path / "other.json")) == 0
    assert read_result(tmp_path / "r.json").cost is not None


def test_the_leaderboard_keeps_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = tmp_path / "board.sqlite"
    add = ["leaderboard", "add", "--db", str(board), str(tmp_path / "r.json")]
    write_result(tmp_path / "r.json", replace(whole_result(0.5), cost=FOUND))
    assert main([*add, "--name", "by its result"]) == 0
    run_json(tmp_path / "run.json", COST | {"energy": None})
    assert main([*add, "--name", "by run.json", "--run", str(tmp_path / "run.json")]) == 0
    write_result(tmp_path / "r.json", whole_result(0.5))
    assert main([*add, "--name", "without"]) == 0
    first, second, third = leaderboard.read(board)
    assert [getattr(first.provenance, name) for name in FIGURES] == [4.0, 0.5, 24.2, 540.0, 0.06]
    assert (second.provenance.joules_per_sample, second.provenance.energy_method) == (None, NO_METER)
    assert {getattr(third.provenance, name) for name in FIGURES} == {None}

    table = leaderboard_table([first, second, third], verbose=True)
    assert "J/sample" in table
    assert "energy_method" not in table
    assert f"  energy of by run.json: {NO_METER}" in table
    [row] = [
        line.split() for line in table.split("\n\n")[-1].splitlines() if "without" in line and "energy" not in line
    ]
    assert row[-1] == "-"
    rows = list(csv.DictReader(to_csv([first, second, third]).splitlines()))
    assert [row["joules_per_sample"] for row in rows] == ["", "540.0", "", ""]
    runs = to_json([first, second, third])["runs"]
    assert [run["provenance"]["joules_per_sample"] for run in runs] == [540.0, None, None]
