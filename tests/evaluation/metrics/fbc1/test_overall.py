"""The sum of the four subtasks and its prize, against the formulas of the organisers' README."""

import pytest

from evaluation.metrics.fbc1.overall import (
    MINIMA,
    MINIMUM,
    PRIZES,
    PUBLISHED_CO2,
    OverallError,
    overall,
    prize,
)

SCORES = {"C2C": 0.25, "HTR": 0.7, "zsOD": 0.2, "VQA": 0.4}


@pytest.mark.parametrize(
    ("changed", "total", "below"),
    [
        ({}, 1.55, ()),
        ({"VQA": 0.35}, 1.5, ("VQA",)),  # a minimum must be surpassed
        ({"C2C": 0.2004}, 1.5, ("C2C",)),  # rounding comes first
        ({"C2C": 0.2006}, 1.501, ()),
        ({"HTR": 0.0, "zsOD": 0.0}, 0.65, ("HTR", "zsOD")),
    ],
)
def test_sum_and_minima(changed: dict[str, float], total: float, below: tuple[str, ...]) -> None:
    outcome = overall(SCORES | changed)
    assert (outcome.total, outcome.below) == (total, below)


@pytest.mark.parametrize(
    "scores", [{}, {"C2C": 0.5}, SCORES | {"OD": 0.1}, SCORES | {"VQA": 1.1}, SCORES | {"VQA": float("nan")}]
)
def test_what_can_not_be_summed(scores: dict[str, float]) -> None:
    with pytest.raises(OverallError):
        overall(scores)


@pytest.mark.parametrize(
    ("total", "place", "roubles"),
    [
        (1.3, 1, 1_000_000),
        (1.8, 1, 2_000_000),
        (2.3, 1, 3_000_000),
        (4.0, 1, 3_000_000),
        (1.3, 2, 500_000),
        (2.3, 2, 1_500_000),
        (1.301, 3, 200_600),
        (2.299, 3, 799_400),
        (1.299, 1, 0),
        (2.3, 4, 0),
    ],
)
def test_prize(total: float, place: int, roubles: int) -> None:
    assert prize(total, place) == roubles


@pytest.mark.parametrize(("total", "place"), [(2.0, 0), (-0.1, 1), (4.1, 1), (float("nan"), 1)])
def test_no_prize_there_can_be(total: float, place: int) -> None:
    with pytest.raises(OverallError):
        prize(total, place)


def test_published_numbers_agree() -> None:
    assert round(sum(MINIMA.values()), 9) == MINIMUM
    for terms in PRIZES.values():
        assert terms.per_unit == pytest.approx((terms.most - terms.fixed) / (2.3 - MINIMUM))  # 2.3: from there the most
    assert {row.setup: row.kilograms for row in PUBLISHED_CO2} == {"single-task": 39.34, "fusion": 27.45}
