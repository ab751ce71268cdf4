"""Who is nominated: the formulas' numbers, and whom they leave out."""

import json
from pathlib import Path

import pytest

from evaluation.nomination import Candidate, nominate, threshold_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics/integral.json").read_text("utf-8"))["nomination"]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["note"])
def test_the_threshold_of_eligibility(case: dict) -> None:
    expected = case.get("threshold_population_std")
    found = threshold_of(case["scores"], case["baseline"])
    assert found is None if expected is None else found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("entries", "winners"),
    [
        ([("a", 0.30, 1.0), ("b", 0.40, 9.0), ("c", 0.10, 0.1)], ["b"]),  # two above: the threshold is the larger score
        ([("a", 0.31, 5.0), ("b", 0.20, 1.0)], ["a"]),
        ([("a", 0.33, 5.0), ("b", 0.33, 2.0), ("c", 0.33, 3.0)], ["b"]),
        ([("a", 0.33, 2.0), ("b", 0.33, 2.0)], ["a", "b"]),
        ([("a", 0.33, None), ("b", 0.33, 2.0)], ["b"]),
        ([("a", 0.33, None)], []),
        ([("a", 0.24, 1.0), ("b", 0.20, 1.0)], []),
        ([], []),
    ],
)
def test_the_lowest_co2_of_the_eligible_wins(
    entries: list[tuple[str, float, float | None]], winners: list[str]
) -> None:
    assert [entry.name for entry in nominate([Candidate(*entry) for entry in entries], 0.24).winners] == winners


def test_who_did_not_measure_is_named_but_can_not_win() -> None:
    outcome = nominate([Candidate("a", 0.33, None), Candidate("b", 0.33, 2.0)])
    assert [entry.name for entry in outcome.unmeasured] == ["a"]
    assert [entry.name for entry in outcome.eligible] == ["b"]


@pytest.mark.parametrize(
    "wrong", [("a", 1.5, 1.0), ("a", float("nan"), 1.0), ("a", 0.5, -1.0), ("a", 0.5, float("nan"))]
)
def test_impossible_entries_are_refused(wrong: tuple[str, float, float]) -> None:
    with pytest.raises(ValueError, match="a: "):
        Candidate(*wrong)
