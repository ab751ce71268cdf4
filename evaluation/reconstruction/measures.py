"""PSNR and SSIM of pairs of pictures, and the Inception Score of a set: pure functions of tensors.

Pictures are [3, height, width] in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from errors import UserError

LEVELS = 255
SSIM_SIDE, SSIM_SIGMA = 11, 1.5
SSIM_K1, SSIM_K2 = 0.01, 0.03
SPLITS = 10


class MeasureError(UserError):
    """Pictures that can not be measured: pairs of two sizes, pictures too small, no pictures."""


@dataclass(frozen=True, slots=True)
class InceptionScore:
    """Mean and population standard deviation over splits of a set."""

    mean: float
    deviation: float


def psnr(original: Tensor, reconstruction: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB. Raises MeasureError if the sizes differ.

    Of equal pictures it would be infinite; instead it is that of a difference of one level in a single value, the least
    that two pictures of 8 bits can have, so that means stay finite.
    """
    _require_one_size(original, reconstruction)
    error = (original.double() - reconstruction.double()).square().mean()
    least = 1 / LEVELS**2 / original.numel()
    return float(-10 * torch.log10(error.clamp(min=least)))


def ssim(original: Tensor, reconstruction: Tensor) -> float:
    """Return the mean structural similarity (Wang et al., 2004): Gaussian window of 11 pixels, sigma 1.5.

    Pictures are reflected at their edges, as torchmetrics does it.

    Raises MeasureError if the sizes differ or a side is below 11 pixels.
    """
    _require_one_size(original, reconstruction)
    if min(original.shape[1:]) < SSIM_SIDE:
        raise MeasureError(f"a picture of {_size(original)} is too small for SSIM", f"its window is {SSIM_SIDE} pixels")
    x, y = original.double(), reconstruction.double()
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _blurred(torch.stack([x, y, x * x, y * y, x * y]))
    var_x, var_y, covariance = mean_xx - mean_x**2, mean_yy - mean_y**2, mean_xy - mean_x * mean_y
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    alike = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((alike / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def inception_score(logits: Tensor, splits: int = SPLITS) -> InceptionScore:
    """Return exp of the mean divergence of each picture's classes from all pictures' (Salimans et al., 2016).

    Args:
        logits: [pictures, classes], in the order in which they are cut into splits.
        splits: at most; fewer where there are fewer pictures.

    Raises MeasureError without pictures.

    """
    if not len(logits):
        raise MeasureError("there is no picture to take an Inception Score of")
    logarithms = logits.double().log_softmax(dim=1)
    scores = torch.stack([_score(part) for part in logarithms.chunk(min(splits, len(logits)))])
    return InceptionScore(float(scores.mean()), float(scores.std(correction=0)))


def _score(logarithms: Tensor) -> Tensor:
    shares = logarithms.exp()
    return (shares * (logarithms - shares.mean(dim=0, keepdim=True).log())).nan_to_num().sum(dim=1).mean().exp()


def _blurred(pictures: Tensor) -> Tensor:
    places = torch.arange(SSIM_SIDE, dtype=torch.float64) - SSIM_SIDE // 2
    window = torch.exp(-(places**2) / (2 * SSIM_SIGMA**2))
    window = window / window.sum()
    channels = pictures.shape[1]
    across = window.expand(channels, 1, 1, SSIM_SIDE)
    pictures = F.pad(pictures, (SSIM_SIDE // 2,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(pictures, across, groups=channels), across.transpose(2, 3), groups=channels)


def _require_one_size(original: Tensor, reconstruction: Tensor) -> None:
    if original.shape != reconstruction.shape:
        raise MeasureError(f"a picture of {_size(original)} and one of {_size(reconstruction)} can not be compared")


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]} x {picture.shape[-2]} pixels"
