"""The exact Frechet distance between Gaussian fits of two sets of features.

Distance of N(m, S) and N(n, T): |m - n|^2 + tr S + tr T - 2 tr sqrt(S T) (Dowson and Landau, 1982; as FID: Heusel et
al., 2017). With S = A'A and T = B'B, tr sqrt(S T) is the sum of the singular values of A B'. A and B are the centred
rows themselves where there are fewer of them than dimensions, and else the symmetric roots of the covariances. So no
matrix root of a singular product is taken, which is where the usual `sqrtm` loses five digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.errors import EvaluationError

Array = npt.NDArray[np.float64]


class FeatureError(EvaluationError):
    """Features that no distance can be taken of: not a matrix, not finite, too few rows, or of another width."""

    def __init__(
        self, message: str, remedy: str = "check the pictures and the network that the features are of"
    ) -> None:
        super().__init__(message, remedy)


@dataclass(frozen=True)
class GaussianFit:
    """Mean [d] and a factor [min(n, d), d] of the unbiased covariance of n features: factor' factor = covariance."""

    n: int
    mean: Array
    factor: Array

    @property
    def trace(self) -> float:
        """Trace of the covariance."""
        return float(np.square(self.factor).sum())


def checked_features(features: npt.ArrayLike, name: str = "features") -> Array:
    """Return features [n, d] as float64. Raises FeatureError, with `name`, for what is none, n < 2, NaN or infinity."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise FeatureError(f"{name}: a matrix [n, d] of features is needed, not one of shape {list(rows.shape)}")
    if len(rows) < 2:
        raise FeatureError(
            f"{name}: a covariance needs two pictures, and there {'is 1' if len(rows) == 1 else 'is none'}",
            "score a larger test set, or leave the task out",
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise FeatureError(f"{name}: NaN or infinity in {len(bad)} of {len(rows)} rows, the first is row {bad[0]}")
    return rows


def fit_gaussian(features: npt.ArrayLike, name: str = "features") -> GaussianFit:
    """Fit a Gaussian to features [n, d]. Raises FeatureError as `checked_features` does."""
    rows = checked_features(features, name)
    count, width = rows.shape
    mean = rows.mean(axis=0)
    factor = (rows - mean) / np.sqrt(count - 1)  # [n, d]
    if count > width:
        values, vectors = np.linalg.eigh(factor.T @ factor)
        factor = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T  # [d, d], symmetric
    return GaussianFit(count, mean, factor)


def frechet_distance(first: GaussianFit, second: GaussianFit) -> float:
    """Return the squared distance (what is called FID), at least 0. Raises FeatureError if the widths differ."""
    if first.mean.shape != second.mean.shape:
        raise FeatureError(f"features of {len(first.mean)} and of {len(second.mean)} dimensions can not be compared")
    overlap = np.linalg.svd(first.factor @ second.factor.T, compute_uv=False).sum()
    apart = float(np.square(first.mean - second.mean).sum())
    # Rounding can leave equal sets a hair below 0, where no distance is.
    return max(0.0, apart + first.trace + second.trace - 2 * float(overlap))
