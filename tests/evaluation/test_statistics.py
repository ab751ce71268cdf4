"""Resampling against scipy, closed forms and laws."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contest.tasks import TASKS
from evaluation.statistics import (
    Resampling,
    bootstrap_means,
    intervals,
    p_value,
    paired_differences,
    percentile_interval,
    randomised_means,
    ranks,
    weighted_sum,
)

SCORES = st.lists(st.floats(0, 1, allow_nan=False, width=32), min_size=2, max_size=40)
FEW = Resampling(resamples=200)


def test_the_interval_is_that_of_scipy_s_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).beta(2, 5, size=300)
    ours = percentile_interval(bootstrap_means(values, np.random.default_rng(2), 9999), 0.95)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=3).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-3)


def test_the_spread_of_resamples() -> None:
    values = np.random.default_rng(1).random(500)
    means = bootstrap_means(values, np.random.default_rng(2), 20_000)
    assert means.mean() == pytest.approx(values.mean(), abs=1e-3)
    assert means.std() == pytest.approx(values.std() / np.sqrt(500), rel=0.02)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        low, high = percentile_interval(bootstrap_means(generator.random(60), generator, 300), 0.9)
        covered += low <= 0.5 <= high
    assert 0.85 <= covered / 400 <= 0.94


def test_resampling_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.statistics._CELLS_AT_ONCE", 7)
    means = bootstrap_means(np.array([0.0, 1.0, 1.0]), np.random.default_rng(0), 50)
    assert set(np.round(means * 3)) == {0, 1, 2, 3}
    assert randomised_means(np.array([1.0, 1.0, 1.0]), np.random.default_rng(0), 50).shape == (50,)


def test_randomisation_agrees_with_all_swaps_counted_out() -> None:
    gaps = np.array([0.3, 0.1, 0.4, -0.2, 0.25, 0.5, 0.05, 0.15, 0.2, -0.1])
    every = [abs(np.dot(signs, gaps)) >= abs(gaps.sum()) - 1e-12 for signs in product((-1, 1), repeat=gaps.size)]
    means = randomised_means(gaps, np.random.default_rng(0), 50_000)
    assert p_value(gaps.mean(), means) == pytest.approx(np.mean(every), abs=2e-3)


def test_randomisation_of_equal_gaps_is_the_sign_test() -> None:
    means = randomised_means(np.full(6, 0.5), np.random.default_rng(0), 50_000)
    assert p_value(0.5, means) == pytest.approx(2 / 2**6, abs=2e-3)


@given(SCORES)
@settings(max_examples=50, deadline=None)
def test_an_interval_lies_within_the_scores_and_repeats(scores: list[float]) -> None:
    first, second = intervals({"vqa": scores}, FEW), intervals({"vqa": scores}, FEW)
    assert first == second
    low, high = first["vqa"]  # type: ignore[misc]
    assert min(scores) - 1e-9 <= low <= high <= max(scores) + 1e-9


def test_an_interval_is_its_tasks_own() -> None:
    scores = [0.0, 0.5, 1.0, 1.0]
    assert intervals({"vqa": scores}, FEW)["vqa"] == intervals({"textqa": [0.0, 1.0], "vqa": scores}, FEW)["vqa"]


def test_another_seed_gives_another_interval() -> None:
    scores = list(np.random.default_rng(0).random(50))
    assert intervals({"vqa": scores}, FEW) != intervals({"vqa": scores}, Resampling(200, seed=1))


def test_a_single_sample_has_no_interval() -> None:
    samples = {task.key: [0.0, 1.0] for task in TASKS} | {"vqa": [1.0]}
    found = intervals(samples, FEW)
    assert found["vqa"] is None
    assert found["integral"] is None
    assert found["textqa"] == (0.0, 1.0)


def test_the_spread_of_s() -> None:
    generator = np.random.default_rng(3)
    samples = {task.key: list(generator.random(100)) for task in TASKS}
    low, high = intervals(samples, Resampling(20_000))["integral"]  # type: ignore[misc]
    variance = sum(float(task.weight) ** 2 * np.var(samples[task.key]) / 100 for task in TASKS)
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.05)


def test_s_clips_a_score_to_its_range_and_a_difference_not() -> None:
    means = {task.key: np.array([-1.0, 0.5]) for task in TASKS}
    assert weighted_sum(means, clip=True) == pytest.approx([0, 0.5])
    assert weighted_sum(means, clip=False) == pytest.approx([-1, 0.5])


@given(SCORES)
@settings(max_examples=50, deadline=None)
def test_a_run_does_not_differ_from_itself(scores: list[float]) -> None:
    found = paired_differences({"vqa": scores}, {"vqa": scores}, FEW)["vqa"]
    assert (found.difference, found.interval, found.p_bootstrap, found.p_randomisation) == (0, (0, 0), 1, 1)


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_exchanging_the_runs_turns_the_sign(scores: list[float], random: object) -> None:
    other = random.sample(scores, len(scores))  # type: ignore[attr-defined]
    there = paired_differences({"vqa": scores}, {"vqa": other}, FEW)["vqa"]
    back = paired_differences({"vqa": other}, {"vqa": scores}, FEW)["vqa"]
    assert back.difference == pytest.approx(-there.difference)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))  # type: ignore[index]
    assert (back.p_bootstrap, back.p_randomisation) == (there.p_bootstrap, there.p_randomisation)


def test_a_clear_gain_is_significant_and_noise_is_not() -> None:
    generator = np.random.default_rng(0)
    first = generator.random(400)
    noise = first + generator.normal(0, 0.1, 400)
    gain = first + 0.1 + generator.normal(0, 0.1, 400)
    found = paired_differences({"vqa": list(first)}, {"vqa": list(gain)}, Resampling())["vqa"]
    assert max(found.p_bootstrap, found.p_randomisation) == pytest.approx(1 / 1001)
    assert found.interval is not None
    assert found.interval[0] > 0
    found = paired_differences({"vqa": list(first)}, {"vqa": list(noise - np.mean(noise - first))}, Resampling())["vqa"]
    assert min(found.p_bootstrap, found.p_randomisation) > 0.9


def test_false_alarms_come_as_often_as_they_should() -> None:
    generator = np.random.default_rng(7)
    p = [paired_differences({"vqa": list(a)}, {"vqa": list(b)}, FEW)["vqa"] for a, b in generator.random((300, 2, 50))]
    for alarms in (np.mean([x.p_bootstrap < 0.1 for x in p]), np.mean([x.p_randomisation < 0.1 for x in p])):
        assert 0.05 <= alarms <= 0.16


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


def test_nothing_can_not_be_resampled() -> None:
    for function in (bootstrap_means, randomised_means):
        with pytest.raises(ValueError, match="nothing"):
            function(np.empty(0), np.random.default_rng(0), 10)
    with pytest.raises(ValueError, match="2 samples against 1"):
        paired_differences({"vqa": [1.0, 0.0]}, {"vqa": [1.0]}, FEW)
