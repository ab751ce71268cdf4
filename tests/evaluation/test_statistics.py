"""Intervals, tests and ranks against scipy, closed forms, laws and simulations."""

from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contest.tasks import TASKS
from evaluation.confidence import MeanInterval, wilson
from evaluation.statistics import (
    Resampling,
    holm,
    integral_interval,
    intervals,
    p_value,
    paired_differences,
    percentile_interval,
    randomisation_p,
    rank_spans,
    ranks,
)

SCORES = st.lists(st.floats(0, 1, allow_nan=False, width=32), min_size=2, max_size=40)
FEW = Resampling(resamples=200)


def test_the_percentile_interval_is_scipy_s() -> None:
    values = np.random.default_rng(1).beta(2, 5, size=300)
    drawn = values[np.random.default_rng(2).integers(300, size=(9999, 300))].mean(axis=1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=3).confidence_interval
    assert percentile_interval(drawn, 0.95) == pytest.approx((theirs.low, theirs.high), abs=1e-3)


def test_swaps_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = np.random.default_rng(0).normal(size=30)
    whole = randomisation_p(gaps, np.random.default_rng(1), 50)
    monkeypatch.setattr("evaluation.statistics._CELLS_AT_ONCE", 70)
    assert 1 / 51 <= randomisation_p(gaps, np.random.default_rng(1), 50) <= 1
    assert 1 / 51 <= whole <= 1


GAPS = np.array([0.3, 0.1, 0.4, -0.2, 0.25, 0.5, 0.05, 0.15, 0.2, -0.1])


def test_few_gaps_are_all_counted_out() -> None:
    every = [abs(np.dot(signs, GAPS)) >= abs(GAPS.sum()) - 1e-12 for signs in product((-1, 1), repeat=GAPS.size)]
    found = randomisation_p(np.concatenate([GAPS, np.zeros(50)]), np.random.default_rng(0), 1)
    assert found == pytest.approx(np.mean(every))
    theirs = stats.permutation_test((GAPS, np.zeros(10)), lambda a, b: np.sum(a - b), permutation_type="samples")
    assert found == pytest.approx(theirs.pvalue)


def test_equal_gaps_are_the_sign_test() -> None:
    assert randomisation_p(np.full(6, 0.5), np.random.default_rng(0), 1) == 2 / 2**6
    binomial = stats.binomtest(28, 40).pvalue
    many = randomisation_p(np.repeat([1.0, -1.0], [28, 12]), np.random.default_rng(0), 50_000)
    assert many == pytest.approx(binomial, abs=2e-3)


def test_documents_are_swapped_whole() -> None:
    first, second = [0.0] * 8, [1.0] * 8
    alone = paired_differences({"textqa": first}, {"textqa": second}, FEW)["textqa"]
    shared = paired_differences({"textqa": first}, {"textqa": second}, FEW, {"textqa": [0, 0, 1, 1, 2, 2, 3, 3]})
    assert alone.p == 2 / 2**8
    assert shared["textqa"].p == 2 / 2**4
    assert shared["textqa"].interval[0] < alone.interval[0]  # type: ignore[index]


@given(SCORES)
@settings(max_examples=50, deadline=None)
def test_an_interval_holds_its_score_and_repeats(scores: list[float]) -> None:
    found = intervals({"vqa": scores})["vqa"]
    assert found == intervals({"vqa": scores})["vqa"]
    assert found is not None
    assert -1e-12 <= found.low <= np.mean(scores) + 1e-12
    assert np.mean(scores) - 1e-12 <= found.high <= 1 + 1e-12


def test_a_single_sample_or_document_has_no_interval() -> None:
    samples = {task.key: [0.0, 1.0] for task in TASKS} | {"vqa": [1.0]}
    found = intervals(samples, documents={"textqa": [0, 0]})
    assert (found["vqa"], found["textqa"]) == (None, None)
    assert found["mathqa"] == MeanInterval(0.5, *wilson(0.5, 2, NormalDist().inv_cdf(0.975)), "wilson", 2)
    bounds = {key: None if one is None else (one.low, one.high) for key, one in found.items()}
    assert integral_interval(dict.fromkeys(samples, 0.5), bounds) is None


def test_the_spread_of_s() -> None:
    generator = np.random.default_rng(3)
    samples = {task.key: list(generator.random(100)) for task in TASKS}
    found = {key: (one.low, one.high) for key, one in intervals(samples).items() if one is not None}
    scores = {key: float(np.mean(values)) for key, values in samples.items()}
    low, high = integral_interval(scores, found)  # type: ignore[misc]
    variance = sum(float(task.weight) ** 2 * np.var(samples[task.key]) / 100 for task in TASKS)
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.05)
    assert low < sum(float(task.weight) * scores[task.key] for task in TASKS) < high


def test_s_clips_a_score_to_its_range() -> None:
    one = dict.fromkeys((task.key for task in TASKS), (0.5, 0.5))
    assert integral_interval(dict.fromkeys(one, 0.5) | {"vqa": -0.2}, one | {"vqa": (-0.4, 0.0)}) == pytest.approx(
        (0.5 - 0.5 / 15, 0.5 - 0.5 / 15)
    )


@given(SCORES)
@settings(max_examples=50, deadline=None)
def test_a_run_does_not_differ_from_itself(scores: list[float]) -> None:
    found = paired_differences({"vqa": scores}, {"vqa": scores}, FEW)["vqa"]
    assert (found.difference, found.interval, found.p) == (0, (0, 0), 1)


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_exchanging_the_runs_turns_the_sign(scores: list[float], random: object) -> None:
    other = random.sample(scores, len(scores))  # type: ignore[attr-defined]
    there = paired_differences({"vqa": scores}, {"vqa": other}, FEW)["vqa"]
    back = paired_differences({"vqa": other}, {"vqa": scores}, FEW)["vqa"]
    assert back.difference == pytest.approx(-there.difference)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))  # type: ignore[index]
    assert back.p == pytest.approx(there.p)


def test_a_clear_gain_is_significant_and_noise_is_not() -> None:
    generator = np.random.default_rng(0)
    first = generator.random(400)
    noise = first + generator.normal(0, 0.1, 400)
    gain = first + 0.1 + generator.normal(0, 0.1, 400)
    found = paired_differences({"vqa": list(first)}, {"vqa": list(gain)}, Resampling())["vqa"]
    assert found.p == pytest.approx(1 / 1001)
    assert found.interval is not None
    assert found.interval[0] > 0
    found = paired_differences({"vqa": list(first)}, {"vqa": list(noise - np.mean(noise - first))}, Resampling())["vqa"]
    assert found.p > 0.9


@pytest.mark.parametrize(
    ("chances", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # the example of R's p.adjust
        ([0.9, 0.6], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm(chances: list[float], corrected: list[float]) -> None:
    assert holm(chances) == pytest.approx(corrected)


def test_a_p_value_counts_the_observed_case() -> None:
    assert p_value(1.0, np.array([0.5, -1.0, 2.0])) == 3 / 4


def test_the_difference_of_s() -> None:
    first = {task.key: [0.0, 0.5, 1.0] for task in TASKS}
    second = first | {"vqa": [0.3, 0.8, 1.0], "hidden1": [0.0, 0.2, 1.0]}
    found = paired_differences(first, second, FEW)["integral"]
    assert found.difference == pytest.approx(0.2 / 15 - 0.1 / 10)
    assert "integral" not in paired_differences({"vqa": [1.0, 0.0]}, {"vqa": [1.0, 0.0]}, FEW)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.3, 0.5, 0.5, 0.1], [3, 1, 1, 4]),
        ([0.5, None, 0.7], [2, None, 1]),
        ([0.1 + 0.2, 0.3], [1, 1]),
        ([0.0, -0.0], [1, 1]),
        ([], []),
    ],
)
def test_equal_scores_share_the_better_rank(scores: list[float | None], expected: list[int | None]) -> None:
    assert ranks(scores) == expected


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4])))
def test_ranks_are_those_of_scipy(scores: list[float]) -> None:
    assert ranks(scores) == [int(rank) for rank in stats.rankdata([-score for score in scores], method="min")]


@pytest.mark.parametrize("wrong", [{"resamples": 0}, {"confidence": 1.0}, {"confidence": 0.0}, {"seed": -1}])
def test_senseless_resampling_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="resampling"):
        Resampling(**wrong)  # type: ignore[arg-type]


def test_nothing_can_not_be_tested() -> None:
    with pytest.raises(ValueError, match="nothing"):
        randomisation_p(np.empty(0), np.random.default_rng(0), 10)
    with pytest.raises(ValueError, match="2 samples against 1"):
        paired_differences({"vqa": [1.0, 0.0]}, {"vqa": [1.0]}, FEW)


def test_ranks_that_chance_allows() -> None:
    figures = [(0.9, 0.85, 0.95), None, (0.88, 0.83, 0.93), (0.80, 0.75, 0.85), (0.5, 0.2, 0.8), (0.1, 0.1, 0.1)]
    # Clearly apart is what lies further apart than the root of both reaches squared: 0.071 for the first four.
    assert rank_spans(figures) == [(1, 2), None, (1, 2), (3, 4), (3, 4), (5, 5)]
    assert rank_spans([]) == []
    assert rank_spans([(0.5, 0.5, 0.5)] * 3) == [(1, 3)] * 3
