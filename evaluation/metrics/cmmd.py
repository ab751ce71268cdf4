"""CMMD: the maximum mean discrepancy of pictures' CLIP latents under a Gaussian kernel (Jayasumana et al., 2024).

For few pictures it is steadier than a Frechet distance, and assumes no Gaussian. As published: bandwidth 10, the biased
estimate of least variance (a picture is compared with itself too), times 1000, on unit vectors. Theirs are of CLIP
ViT-L/14-336; ours are of the ruCLIP that the signature names, so that values do not compare with published ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from evaluation.metrics.frechet import Array, FeatureError, checked_features

SIGMA, SCALE = 10.0, 1000.0
BLOCK_ROWS = 1024  # a block of the kernel takes 8 MB, however many pictures there are


def cmmd(first: npt.ArrayLike, second: npt.ArrayLike, *, block_rows: int = BLOCK_ROWS) -> float:
    """Return 1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) of latents [n, d] and [m, d]; at least 0.

    With k(x, y) = exp(-|x - y|^2 / (2 * 10^2)). No more than a block of the kernel is in memory at a time.
    Raises FeatureError as `checked_features`, or if the widths differ.
    """
    sets = checked_features(first, "first set"), checked_features(second, "second set")
    if sets[0].shape[1] != sets[1].shape[1]:
        raise FeatureError(f"latents of {sets[0].shape[1]} and of {sets[1].shape[1]} dimensions can not be compared")
    within = sum(_mean_gap(rows, rows, block_rows) for rows in sets)
    # The gaps 1 - k are summed and not the kernel itself: near 1 it would leave no digits of a small difference.
    return max(0.0, SCALE * (2 * _mean_gap(*sets, block_rows) - within))


def signature(latents: str) -> str:
    """Return what a CMMD depends on; `latents` names the network."""
    return f"cmmd|kernel:gaussian|sigma:{SIGMA:g}|scale:{SCALE:g}|estimator:biased|latents:{latents}|v:1"


def _mean_gap(first: Array, second: Array, block_rows: int) -> float:
    """Return the mean of 1 - k over all pairs; of a set with itself only half of them is computed."""
    return math.fsum(_gaps(first, second, block_rows)) / (len(first) * len(second))


def _gaps(first: Array, second: Array, block_rows: int) -> Iterator[float]:
    same = first is second
    for start in range(0, len(first), block_rows):
        rows = first[start : start + block_rows]
        for other in range(start if same else 0, len(second), block_rows):
            total = _block(rows, second[other : other + block_rows])
            yield 2 * total if same and other > start else total


def _block(first: Array, second: Array) -> float:
    squares = np.square(first).sum(axis=1)[:, None] + np.square(second).sum(axis=1)  # [n, m]
    distances = np.maximum(squares - 2 * (first @ second.T), 0.0)
    return float(-np.expm1(-distances / (2 * SIGMA**2)).sum())
