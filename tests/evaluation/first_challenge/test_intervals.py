"""Intervals of the first challenge's scores: which kind each has, and that they hold the truth as often as they say."""

import math

import numpy as np
import pytest

from evaluation.confidence import wilson
from evaluation.first_challenge.intervals import box_units, sample_units, score_interval, total_interval
from evaluation.first_challenge.scoring import score_of
from evaluation.statistics import Resampling

RESAMPLING = Resampling(200)
Z = 1.959964


def test_a_share_of_right_samples_has_wilson_s() -> None:
    rows = [(1.0, 1.0)] * 9 + [(0.0, 1.0)]
    found = score_interval(rows, sample_units, score_of("HTR"), RESAMPLING, 1)
    assert found is not None
    assert found.bounds == pytest.approx(wilson(0.9, 10, Z), abs=1e-5)
    assert (found.method, found.clusters) == ("wilson", None)
    perfect = score_interval([(1.0, 1.0)] * 10, sample_units, score_of("HTR"), RESAMPLING, 1)
    assert perfect is not None
    assert perfect.low < 0.8  # ten of ten right do not make sure of the eleventh
    assert perfect.high == 1.0


def test_the_units_of_f1_have_it_as_their_mean() -> None:
    rows = np.array([(2, 1, 0), (0, 0, 3), (4, 0, 1), (0, 0, 0)], dtype=float)
    values, images = box_units(rows)
    assert values.mean() == pytest.approx(score_of("zsOD")(rows.sum(axis=0).tolist()))
    assert np.bincount(images).tolist() == [5, 3, 9]


def test_boxes_of_an_image_are_a_cluster() -> None:
    whole_images = [(5.0, 0.0, 0.0)] * 4 + [(0.0, 0.0, 5.0)] * 4
    mixed = [(3.0, 0.0, 2.0)] * 8
    score = score_of("zsOD")
    clustered, spread = (score_interval(rows, box_units, score, RESAMPLING, 2) for rows in (whole_images, mixed))
    assert clustered is not None
    assert spread is not None
    assert (clustered.method, clustered.clusters) == ("wilson-clustered", 8)
    assert clustered.high - clustered.low > 1.5 * (spread.high - spread.low)


def test_f1_s_interval_holds_the_truth() -> None:
    """Images with one to three true boxes, found with a chance of their own; and one false box for every fourth."""
    generator, held, tests = np.random.default_rng(0), 0, 400
    population = _images(generator, 40_000)
    truth = score_of("zsOD")(population.sum(axis=0).tolist())
    for _ in range(tests):
        found = score_interval(_images(generator, 40).tolist(), box_units, score_of("zsOD"), RESAMPLING, 2)
        assert found is not None
        held += found.low <= truth <= found.high
    assert 0.93 <= held / tests <= 0.98


def _images(generator: np.random.Generator, count: int) -> np.ndarray:
    boxes, chance = generator.integers(1, 4, size=count), generator.beta(2, 2, size=count)
    hit = generator.binomial(boxes, chance)
    return np.stack([hit, generator.random(count) < 0.25, boxes - hit], axis=1).astype(float)


def test_what_is_no_mean_is_drawn_anew() -> None:
    rows = [tuple(map(float, row)) for row in np.random.default_rng(1).integers(1, 9, size=(12, 24))]
    found = score_interval(rows, None, score_of("C2C"), RESAMPLING, 0)
    assert found is not None
    assert (found.method, found.clusters) == ("bootstrap", None)
    assert found.low < found.high
    assert found == score_interval(rows, None, score_of("C2C"), RESAMPLING, 0)


@pytest.mark.parametrize("rows", [[(1.0, 0.0, 0.0)], [(0.0, 0.0, 0.0)] * 3, [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]])
def test_what_shows_no_spread_has_no_interval(rows: list[tuple[float, ...]]) -> None:
    assert score_interval(rows, box_units, score_of("zsOD"), RESAMPLING, 2) is None


def test_the_sum_adds_what_is_independent() -> None:
    scores = {"C2C": 0.5, "HTR": 0.9}
    found = total_interval(scores, {"C2C": (0.2, 0.6), "HTR": (0.5, 1.0)})
    assert found == pytest.approx((1.4 - math.hypot(0.3, 0.4), 1.4 + math.hypot(0.1, 0.1)))
    assert total_interval(scores, {"C2C": (0.2, 0.6), "HTR": None}) is None
