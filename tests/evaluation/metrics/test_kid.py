"""The kernel distance: literal values, no bias, the same for the same seed."""

import numpy as np
import pytest

from evaluation.metrics.frechet import FeatureError
from evaluation.metrics.kid import kernel_distance


def test_a_value_by_hand() -> None:
    # Kernel (x y + 1)^3 of {0, 1} and {0, 2}: within 1 and 1, across (1 + 1 + 1 + 27) / 4.
    assert kernel_distance([[0.0], [1.0]], [[0.0], [2.0]]).mean == pytest.approx(1 + 1 - 2 * 7.5)


def test_equal_distributions_are_near_zero_and_others_above() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.standard_normal((300, 8)), draw.standard_normal((300, 8))
    same = kernel_distance(first, second, subset_size=100)
    other = kernel_distance(first, second + 1, subset_size=100)
    assert abs(same.mean) < 0.1 < other.mean
    assert same.std > 0


def test_subsets_are_seeded() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.standard_normal((50, 3)), draw.standard_normal((40, 3))
    once, again, other = (kernel_distance(first, second, subset_size=10, seed=seed) for seed in (1, 1, 2))
    assert once == again != other


def test_whole_sets_make_one_subset() -> None:
    draw = np.random.default_rng(0)
    assert kernel_distance(draw.standard_normal((9, 2)), draw.standard_normal((9, 2))).std == 0


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([[1.0]], [[1.0], [2.0]], "first set: a covariance needs two pictures, and there is 1"),
        ([[1.0], [2.0]], [[1.0], [np.inf]], "second set: NaN or infinity"),
        ([[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]], "dimensions"),
    ],
)
def test_bad_features_are_refused(first: list[list[float]], second: list[list[float]], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        kernel_distance(first, second)


def test_too_small_subsets_are_refused() -> None:
    with pytest.raises(ValueError, match="subset of two"):
        kernel_distance([[0.0], [1.0]], [[0.0], [1.0]], subset_size=1)
