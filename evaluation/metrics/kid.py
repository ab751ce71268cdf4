"""Kernel Inception distance: an unbiased distance for few pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.metrics.frechet import Array, FeatureError, checked_features

SUBSETS, SUBSET_SIZE = 100, 1000


@dataclass(frozen=True)
class KernelDistance:
    """Mean and (population) standard deviation over the subsets."""

    mean: float
    std: float


def squared_mmd(first: Array, second: Array) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy of two samples of one size; can be < 0.

    Binkowski et al., 2018, with the kernel (x . y / d + 1)^3: within a sample a picture is not compared with itself.
    """
    from sklearn.metrics.pairwise import polynomial_kernel  # it takes a second to import

    size = len(first)
    within = [polynomial_kernel(rows, rows) for rows in (first, second)]
    apart = sum(float(kernel.sum() - np.trace(kernel)) for kernel in within) / (size * (size - 1))
    return apart - 2 * float(polynomial_kernel(first, second).mean())


def kernel_distance(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> KernelDistance:
    """Return the KID of features [n, d] and [m, d]: over random subsets, the same for the same seed.

    Subsets are as large as the smaller set where that has fewer than `subset_size`; there is one subset where both
    sets go in whole.

    Raises:
        FeatureError: as `checked_features`, or if the widths differ.
        ValueError: no subsets, or subsets of fewer than two, are asked for.

    """
    if subsets < 1 or subset_size < 2:
        raise ValueError(f"{subsets} subsets of {subset_size}: at least one subset of two is needed")
    sets = checked_features(first, "first set"), checked_features(second, "second set")
    if sets[0].shape[1] != sets[1].shape[1]:
        raise FeatureError(f"features of {sets[0].shape[1]} and of {sets[1].shape[1]} dimensions can not be compared")
    size = min(subset_size, *(len(rows) for rows in sets))
    if size == len(sets[0]) == len(sets[1]):
        subsets = 1
    generator = np.random.default_rng(seed)
    values = [
        squared_mmd(*(rows[generator.choice(len(rows), size, replace=False)] for rows in sets)) for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)))


def signature(features: str) -> str:
    """Return what a KID depends on; `features` names the network."""
    return f"kid|kernel:polynomial-3|estimator:unbiased|subsets:{SUBSETS}x{SUBSET_SIZE}|seed:0|features:{features}|v:1"
