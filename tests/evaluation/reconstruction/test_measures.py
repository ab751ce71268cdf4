"""PSNR, SSIM and the Inception Score against torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.image.inception import InceptionScore

from evaluation.reconstruction.measures import MeasureError, inception_score, psnr, ssim


def picture(seed: int, height: int = 24, width: int = 17) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noisy(original: torch.Tensor, amount: float) -> torch.Tensor:
    return (original + amount * (picture(9, *original.shape[1:]) - 0.5)).clamp(0, 1)


@pytest.mark.parametrize("amount", [0.01, 0.3, 2.0])
@pytest.mark.parametrize("size", [(11, 11), (24, 17), (40, 64)])
def test_pairs_as_torchmetrics_has_them(amount: float, size: tuple[int, int]) -> None:
    original = picture(1, *size)
    made = noisy(original, amount)
    theirs = peak_signal_noise_ratio(made[None], original[None], data_range=1.0)
    assert psnr(original, made) == pytest.approx(float(theirs), rel=1e-6)
    theirs = structural_similarity_index_measure(made[None], original[None], data_range=1.0)
    assert ssim(original, made) == pytest.approx(float(theirs), rel=1e-5)


def test_equal_pictures() -> None:
    original = picture(1)
    assert ssim(original, original) == pytest.approx(1.0)
    other = original.clone()
    other[0, 0, 0] += 1 / 255
    assert math.isfinite(psnr(original, original))
    assert psnr(original, original) == pytest.approx(psnr(original, other))


@pytest.mark.parametrize("splits", [1, 3, 10])
@pytest.mark.parametrize("count", [4, 23])
def test_inception_score_as_torchmetrics_has_it(splits: int, count: int) -> None:
    logits = 3 * torch.randn(count, 1008, generator=torch.Generator().manual_seed(count))

    class Logits(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures

    metric = InceptionScore(feature=Logits(), splits=min(splits, count))
    metric.update(logits.double())
    torch.manual_seed(5)
    mean, _ = metric.compute()
    torch.manual_seed(5)
    shuffled = logits[torch.randperm(count)]  # torchmetrics shuffles first
    assert inception_score(shuffled, splits).mean == pytest.approx(float(mean), rel=1e-6)


@pytest.mark.parametrize(
    ("logits", "mean"),
    [
        (torch.zeros(5, 1008), 1.0),  # every picture is anything
        (1e4 * torch.eye(8, 1008), 8.0),  # every picture is one thing, each another
        (1e4 * torch.eye(1, 1008).expand(6, -1), 1.0),  # all are one thing
    ],
)
def test_inception_score_at_its_ends(logits: torch.Tensor, mean: float) -> None:
    score = inception_score(logits, splits=1)
    assert (score.mean, score.deviation) == pytest.approx((mean, 0.0))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (picture(1), picture(1, 17, 24), "a picture of 17 x 24 pixels and one of 24 x 17 pixels"),
        (picture(1, 10, 40), picture(1, 10, 40), "too small for SSIM"),
    ],
)
def test_pairs_that_can_not_be_measured(first: torch.Tensor, second: torch.Tensor, said: str) -> None:
    with pytest.raises(MeasureError, match=said):
        ssim(first, second)


def test_no_inception_score_of_nothing() -> None:
    with pytest.raises(MeasureError, match="no picture"):
        inception_score(torch.empty(0, 1008))
