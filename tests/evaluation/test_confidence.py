"""Intervals of means against scipy, and by counting how often they hold the truth."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from evaluation.confidence import Floats, Spread, interval_of_mean, t_quantile, weighted_interval, wilson
from evaluation.statistics import GAPS, randomisation_p


@pytest.mark.parametrize(("successes", "samples"), [(0, 10), (1, 20), (7, 20), (20, 20), (300, 1000)])
def test_scores_of_0_and_1_have_wilson_s_interval(successes: int, samples: int) -> None:
    found = interval_of_mean(np.repeat([1.0, 0.0], [successes, samples - successes]), 0.95)
    theirs = stats.binomtest(successes, samples).proportion_ci(method="wilson")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.method == "wilson"


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 9, 19, 100, 5000])
@pytest.mark.parametrize("probability", [0.8, 0.95, 0.975, 0.995])
def test_quantiles_of_t(freedom: int, probability: float) -> None:
    exact = stats.t.ppf(probability, freedom)
    assert t_quantile(probability, freedom) == pytest.approx(exact, rel=0.03 if freedom == 3 else 3e-3)


def test_many_scores_have_the_usual_interval() -> None:
    values = np.random.default_rng(0).beta(2, 5, 20_000)
    found = interval_of_mean(values, 0.9)
    theirs = stats.t.interval(0.9, values.size - 1, values.mean(), stats.sem(values))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(theirs, abs=2e-5)


def test_the_variance_of_clusters() -> None:
    values, documents = np.array([0.0, 0.2, 1.0, 0.6, 0.4]), np.array([7, 7, 3, 3, 5])
    spread = Spread.of(values, documents)
    assert (spread.clusters, spread.samples) == (3, 5)
    assert spread.variance() == pytest.approx(3 / 2 * ((0.2 - 0.88) ** 2 + (1.6 - 0.88) ** 2 + (0.4 - 0.44) ** 2) / 25)
    alone = Spread.of(values, None)
    assert alone.variance() == pytest.approx(values.var(ddof=1) / 5)
    with pytest.raises(ValueError, match="single"):
        Spread.of(values, np.zeros(5, dtype=np.intp)).variance()


def test_documents_of_equal_samples_count_once() -> None:
    values = np.random.default_rng(1).random(30)
    once = interval_of_mean(values, 0.95)
    fourfold = interval_of_mean(np.repeat(values, 4), 0.95, np.repeat(np.arange(30), 4))
    assert once is not None
    assert fourfold is not None
    assert (fourfold.low, fourfold.high) == pytest.approx((once.low, once.high))
    assert fourfold.method == "wilson-clustered"


def test_samples_that_agree_are_not_certain() -> None:
    found = interval_of_mean(np.full(5, 0.5), 0.95)
    none = interval_of_mean(np.zeros(12), 0.95, np.repeat([0, 1, 2], 4))
    assert found is not None
    assert none is not None
    assert found.high - found.low > 0.1
    assert (none.low, none.high) == pytest.approx(wilson(0, 3, t_quantile(0.975, 2)))


def test_scores_outside_their_range_widen_it() -> None:
    found = interval_of_mean(np.array([-0.2, 0.1, 0.3, 0.0]), 0.95)
    assert found is not None
    assert found.low < -0.1 < found.mean < found.high < 1


def test_a_weighted_sum_adds_each_side_by_itself() -> None:
    parts = [(0.5, 0.2, 0.6), (0.1, 0.0, 0.5)]
    assert weighted_interval(parts, [1, 2]) == pytest.approx((0.7 - math.hypot(0.3, 0.2), 0.7 + math.hypot(0.1, 0.8)))
    assert weighted_interval(parts, [1, -1]) == pytest.approx((0.4 - math.hypot(0.3, 0.4), 0.4 + math.hypot(0.1, 0.1)))


# Shapes that scores have, with their means: rare and frequent successes, skewed, in part right, mostly 0 or 1.
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
SHAPES: dict[str, tuple[float, Draw]] = {
    "1 in 10 right": (0.1, lambda rng, size: (rng.random(size) < 0.1) * 1.0),
    "half right": (0.5, lambda rng, size: (rng.random(size) < 0.5) * 1.0),
    "skewed": (2 / 7, lambda rng, size: rng.beta(2, 5, size)),
    "nearly perfect": (0.9, lambda rng, size: rng.beta(9, 1, size)),
    "nearly nothing": (0.5 / 10.5, lambda rng, size: rng.beta(0.5, 10, size)),
    "mostly 0 or 1": (2 / 7, lambda rng, size: rng.beta(0.2, 0.5, size)),
    "3 in 10 in part right": (0.15, lambda rng, size: (rng.random(size) < 0.3) * rng.random(size)),
}


def covered(mean: float, draw: Draw, samples: int, times: int, share: int = 1) -> float:
    """How often the interval holds the truth; `share`: samples of a document, which have its score in common."""
    values = draw(np.random.default_rng(samples), (times, samples // share)).repeat(share, axis=1)
    documents = None if share == 1 else np.arange(samples // share).repeat(share)
    found = [interval_of_mean(row, 0.95, documents) for row in values]
    return sum(one is not None and one.low <= mean <= one.high for one in found) / times


@pytest.mark.parametrize("samples", [20, 50, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_hold_the_truth_as_often_as_they_say(shape: str, samples: int) -> None:
    assert 0.93 <= covered(*SHAPES[shape], samples, 3000) <= 0.975


@pytest.mark.parametrize("shape", ["half right", "skewed", "mostly 0 or 1"])
def test_intervals_hold_the_truth_over_documents(shape: str) -> None:
    assert 0.93 <= covered(*SHAPES[shape], 120, 3000, share=4) <= 0.97


def test_without_documents_the_interval_would_be_too_narrow() -> None:
    mean, draw = SHAPES["half right"]
    values = draw(np.random.default_rng(0), (1000, 30)).repeat(4, axis=1)
    found = [interval_of_mean(row, 0.95) for row in values]
    assert sum(one is not None and one.low <= mean <= one.high for one in found) / 1000 < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("samples", [10, 20, 30, 50, 100, 500])
@pytest.mark.parametrize("shape", SHAPES)
def test_intervals_hold_the_truth_in_many_tests(shape: str, samples: int) -> None:
    assert (0.91 if samples < 20 else 0.93) <= covered(*SHAPES[shape], samples, 5000) <= 0.985


@pytest.mark.slow
def test_bootstraps_miss_rare_successes() -> None:
    """Why neither BCa nor the percentile bootstrap was taken."""
    generator = np.random.default_rng(0)
    values = (generator.random((400, 20)) < 0.1) * generator.random((400, 20))
    values = values[values.any(axis=1)]
    for method in ("percentile", "BCa"):
        found = stats.bootstrap((values,), np.mean, axis=1, method=method, n_resamples=999, rng=1).confidence_interval
        held = np.mean((found.low <= 0.05) & (found.high >= 0.05)) * len(values) / 400
        assert held < 0.86
    ours = covered(0.05, lambda rng, size: (rng.random(size) < 0.1) * rng.random(size), 20, 4000)
    assert ours > 0.91


@pytest.mark.parametrize("samples", [10, 20, 50])
def test_false_alarms_of_pairs(samples: int) -> None:
    generator = np.random.default_rng(samples)
    gaps = generator.beta(0.4, 0.6, (2000, samples)) - generator.beta(0.4, 0.6, (2000, samples))
    alarms = np.mean([randomisation_p(row, generator, 999) <= 0.05 for row in gaps])
    assert 0.04 <= alarms <= 0.06


@pytest.mark.parametrize("samples", [20, 50])
def test_the_interval_of_a_difference_holds_the_truth(samples: int) -> None:
    generator = np.random.default_rng(samples)
    gaps = generator.beta(2, 2, (3000, samples)) - generator.beta(2, 5, (3000, samples))
    found = [interval_of_mean(row, 0.95, bounds=GAPS) for row in gaps]
    held = np.mean([one is not None and one.low <= 0.5 - 2 / 7 <= one.high for one in found])
    assert 0.93 <= held <= 0.97
