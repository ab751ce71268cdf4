"""FID and KID are those of torchmetrics, on features that are given."""

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from evaluation.metrics.frechet import fit_gaussian, frechet_distance
from evaluation.metrics.kid import kernel_distance


class Given(torch.nn.Module):
    """Takes features for pictures and gives them back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


# More and fewer rows than dimensions: the two ways in which the covariance is factored.
@pytest.mark.parametrize(("rows", "width"), [(200, 8), (40, 64)])
def test_both_distances(rows: int, width: int) -> None:
    draw = np.random.default_rng(rows)
    first, second = draw.standard_normal((rows, width)), 1.5 * draw.standard_normal((rows, width)) + 0.5
    fid = FrechetInceptionDistance(feature=Given(width)).set_dtype(torch.float64)
    kid = KernelInceptionDistance(feature=Given(width), subsets=1, subset_size=rows)
    for metric in (fid, kid):
        metric.update(torch.from_numpy(first), real=True)
        metric.update(torch.from_numpy(second), real=False)
    assert frechet_distance(fit_gaussian(first), fit_gaussian(second)) == pytest.approx(fid.compute().item(), rel=1e-5)
    assert kernel_distance(first, second).mean == pytest.approx(kid.compute()[0].item(), rel=1e-9)
