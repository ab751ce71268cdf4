"""Power against a simulation, tables of others, and laws."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contest.tasks import TASKS
from evaluation.__main__ import main
from evaluation.power import GapSpread, PowerGoal, power_of, row_of, spreads_of
from evaluation.results import write_result
from tests.evaluation.fakes import result_of


# G*Power's "difference between two dependent means": standardised effect, power, pairs.
@pytest.mark.parametrize(
    ("effect", "power", "pairs"), [(0.5, 0.8, 34), (0.2, 0.8, 199), (0.8, 0.8, 15), (0.5, 0.95, 54)]
)
def test_the_samples_of_a_wished_effect(effect: float, power: float, pairs: int) -> None:
    row = row_of(GapSpread("given", 100, 100, 1.0), PowerGoal(effect, power))
    assert row.needed == pairs
    assert row.factor == pairs / 100


@pytest.mark.parametrize("samples", [5, 40, 3000])
def test_the_smallest_effect_has_the_power_asked_for(samples: int) -> None:
    row = row_of(GapSpread("given", samples, samples, 0.4), PowerGoal())
    assert row.detectable is not None
    assert power_of(row.detectable, 0.4 / samples**0.5, samples, 0.05) == pytest.approx(0.8)


def test_power_counted_out() -> None:
    gaps = np.random.default_rng(0).normal(0.15, 0.4, (5000, 50))
    from scipy import stats

    seen = np.mean(stats.ttest_1samp(gaps, 0, axis=1).pvalue < 0.05)
    assert power_of(0.15, 0.4 / 50**0.5, 50, 0.05) == pytest.approx(seen, abs=0.02)


def test_documents_cost_power() -> None:
    result = result_of({"vqa": [0.0, 0.0, 1.0, 1.0] * 10})
    task = result.tasks["vqa"]
    paired = replace(result, tasks={"vqa": replace(task, documents=tuple(n // 2 for n in range(40)))})
    [alone], [shared] = (spreads_of(it, None, 0.5) for it in (result, paired))
    assert alone.deviation == pytest.approx((40 / 39) ** 0.5 * 0.5)
    assert shared.deviation == pytest.approx((2 * 20 / 19) ** 0.5 * 0.5)


def test_two_results_show_their_gaps_and_s(tmp_path: Path, capsys: Any) -> None:
    first = result_of({task.key: [0.0, 0.5, 1.0, 0.0] for task in TASKS}, integral=0.375)
    second = result_of({task.key: [0.5, 0.5, 1.0, 0.5] for task in TASKS}, integral=0.625)
    for name, result in (("a", first), ("b", second)):
        write_result(tmp_path / name, result)
    assert main(["power", str(tmp_path / "a"), str(tmp_path / "b"), "--json", str(tmp_path / "power.json")]) == 0
    rows = json.loads((tmp_path / "power.json").read_text())["rows"]
    sd = np.std([0.5, 0, 0, 0.5], ddof=1)
    assert [row["key"] for row in rows][-1] == "integral"
    assert rows[0]["deviation"] == pytest.approx(sd)
    error = sum(float(task.weight) ** 2 for task in TASKS) ** 0.5 * sd / 2
    assert rows[-1]["deviation"] / 48**0.5 == pytest.approx(error)
    assert "detectable" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [[], ["a", "--deviation", "1", "--samples", "3"], ["--deviation", "1"]])
def test_results_or_a_spread(wrong: list[str], capsys: Any) -> None:
    assert main(["power", *wrong]) == 2
    assert "either results, or --deviation" in capsys.readouterr().err


def test_results_of_other_tests(tmp_path: Path, capsys: Any) -> None:
    write_result(tmp_path / "a", result_of({"vqa": [0.0, 1.0]}))
    write_result(tmp_path / "b", result_of({"vqa": [0.0, 1.0]}, test="u"))
    assert main(["power", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "different test sets" in capsys.readouterr().err
    assert main(["power", str(tmp_path / "a")]) == 0
