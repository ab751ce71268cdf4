"""The Frechet distance is the exact one on every golden pair, and the organisers' within what `sqrtm` loses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics.frechet import FeatureError, fit_gaussian, frechet_distance
from tests.evaluation.metrics.cases import GOLDEN, golden

PAIRS = {pair["name"]: pair for pair in golden("fid")["cases"]}
# What the organisers' script raises on, or takes a distance of that does not exist.
REFUSED = {
    "nan": "NaN or infinity in 1 of 30 rows",
    "dims_differ": "of 4 and of 5 dimensions",
    "one_sample": "a covariance needs two pictures, and there is 1",
}


def features(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "dims_2048":
        draw = np.random.RandomState(1022)
        first = abs(draw.standard_normal((48, 2048))) * 0.4
        return first, abs(draw.standard_normal((48, 2048))) * 0.42 + 0.01
    with np.load(GOLDEN / "fid_features.npz") as stored:
        return stored[f"{name}_a"], stored[f"{name}_b"]


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return frechet_distance(fit_gaussian(first), fit_gaussian(second))


def test_there_are_22_pairs() -> None:
    assert len(PAIRS) == 22


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in REFUSED])
def test_the_distance_is_exact(name: str) -> None:
    pair = PAIRS[name]
    found = distance(*features(name))
    assert found == pytest.approx(max(0.0, pair["exact"]), rel=1e-9, abs=1e-13)
    # `constant_one` and `one_dim` depend on the scipy version: one of the two outcomes is right.
    outcomes = [pair["fid"], pair["scipy_1_17_1"].get("fid", pair["fid"])]
    assert min(abs(found - outcome) - 1e-5 * abs(outcome) for outcome in outcomes) <= 1e-5


@pytest.mark.parametrize(("name", "message"), REFUSED.items())
def test_what_has_no_distance_is_refused(name: str, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        distance(*features(name))


def test_vectors_are_no_matrix() -> None:
    with pytest.raises(FeatureError, match=r"not one of shape \[3\]"):
        fit_gaussian(np.zeros(3))


sizes = st.integers(2, 12)


@given(st.integers(0, 2**32 - 1), sizes, sizes, st.integers(1, 8))
def test_what_the_distance_is_blind_to(seed: int, n: int, m: int, d: int) -> None:
    draw = np.random.default_rng(seed)
    first, second = draw.standard_normal((n, d)), draw.standard_normal((m, d)) * 2 + 1
    expected = distance(first, second)
    rotation, _ = np.linalg.qr(draw.standard_normal((d, d)))
    assert distance(second, first) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert distance(draw.permutation(first), second) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert distance(first @ rotation + 5, second @ rotation + 5) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert distance(first, first) == pytest.approx(0, abs=1e-9)


def test_both_ways_of_factoring_agree() -> None:
    """With more rows than dimensions the covariance's root stands in for the rows; padding by zeros changes that."""
    draw = np.random.default_rng(0)
    first, second = draw.standard_normal((20, 4)), draw.standard_normal((15, 4)) * 2
    padded = [np.pad(rows, ((0, 0), (0, 30))) for rows in (first, second)]
    assert distance(*padded) == pytest.approx(distance(first, second), rel=1e-12)
