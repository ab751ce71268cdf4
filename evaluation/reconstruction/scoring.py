"""Scores reconstructions by domain: Inception Score, FID, PSNR, SSIM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from contest.console import no_bar
from contest.pictures import open_published
from evaluation.metrics.features import BATCH_SIZE, FeatureNetwork
from evaluation.metrics.frechet import fit_gaussian, frechet_distance
from evaluation.reconstruction.measures import SPLITS, MeasureError, inception_score, psnr, ssim
from evaluation.reconstruction.pairs import ALL, PicturePair
from models.weights import read_state_dict

CLASSES = 1008
VERSION = 1


@dataclass(frozen=True, slots=True)
class DomainScore:
    """How well the pictures of a domain were kept.

    Attributes:
        domain: its name; `all` for every picture.
        pictures: how many pairs there are.
        inception_score: of the reconstructions, mean over splits; higher is better.
        inception_score_deviation: over the splits.
        inception_score_of_originals: the same of the originals, which is what could be reached.
        fid: between reconstructions and originals; None of a single pair, which has no covariance. Lower is better.
        psnr: mean over pairs, in dB; higher is better.
        ssim: mean over pairs; 1 is perfect.

    """

    domain: str
    pictures: int
    inception_score: float
    inception_score_deviation: float
    inception_score_of_originals: float
    fid: float | None
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Classifier:
    """Inception's last layer, without its bias, as the Inception Score is taken: weight [1008, 2048]."""

    weight: Tensor

    @classmethod
    def from_file(cls, path: Path) -> Classifier:
        """Read it from Inception's file. Raises WeightsError, MeasureError if the file holds none of its size."""
        weight = read_state_dict(path).get("fc.weight")
        if weight is None or weight.ndim != 2 or weight.shape[0] != CLASSES:
            raise MeasureError(
                f"no fc.weight of {CLASSES} classes, which the Inception Score needs",
                "take the published pt_inception-2015-12-05-6726825d.pth",
                where=str(path),
            )
        return cls(weight.float())

    def logits(self, features: Tensor) -> Tensor:
        """Return [n, 1008] of features [n, 2048]. Raises MeasureError for features of another width."""
        if features.shape[1] != self.weight.shape[1]:
            raise MeasureError(f"{features.shape[1]} features do not fit a classifier of {self.weight.shape[1]}")
        return features @ self.weight.T


@dataclass(frozen=True)
class _Measured:
    """Of each pair, in order: features [n, d] of both halves, PSNR and SSIM."""

    originals: Tensor
    reconstructions: Tensor
    psnr: Sequence[float]
    ssim: Sequence[float]


def signature(network: FeatureNetwork) -> str:
    """Return all that the scores depend on."""
    return "|".join(
        [
            "reconstruction",
            f"fid:{network.name}",
            f"is:{CLASSES}-logits-without-bias,splits:{SPLITS}",
            "psnr:mean-over-pairs",
            "ssim:gauss-11-1.5-reflected",
            f"v:{VERSION}",
        ]
    )


def score_reconstructions(
    pairs: Sequence[PicturePair],
    domains: Mapping[str, Sequence[str]],
    network: FeatureNetwork,
    classifier: Classifier,
) -> list[DomainScore]:
    """Return the score of all pairs, and then of each domain with at least one pair.

    Pictures are opened once, a batch at a time. Raises ContestError for a picture that is none, MeasureError.
    """
    measured = _measured(pairs, network)
    place = {pair.name: number for number, pair in enumerate(pairs)}
    groups = {ALL: list(place.values())}
    groups |= {domain: [place[name] for name in names] for domain, names in domains.items() if names}
    return [_domain_score(domain, numbers, measured, classifier) for domain, numbers in groups.items()]


def score_table(scores: Sequence[DomainScore]) -> str:
    """Return the scores as a table for a terminal."""
    rows = [("domain", "pictures", "IS", "IS of originals", "FID", "PSNR, dB", "SSIM")]
    for it in scores:
        fid = "-" if it.fid is None else f"{it.fid:.3f}"
        rows.append(
            (
                it.domain,
                str(it.pictures),
                f"{it.inception_score:.3f} ± {it.inception_score_deviation:.3f}",
                f"{it.inception_score_of_originals:.3f}",
                fid,
                f"{it.psnr:.2f}",
                f"{it.ssim:.4f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)] for row in rows]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *line]) for row, line in zip(rows, lines, strict=True))


def scores_to_json(scores: Sequence[DomainScore], network: FeatureNetwork) -> dict[str, object]:
    """Return the scores and their signature for a JSON file."""
    return {"signature": signature(network), "domains": [asdict(score) for score in scores]}


def _domain_score(domain: str, numbers: Sequence[int], measured: _Measured, classifier: Classifier) -> DomainScore:
    before, after = measured.originals[numbers], measured.reconstructions[numbers]
    score = inception_score(classifier.logits(after))
    fid = None
    if len(numbers) > 1:
        made = fit_gaussian(after.numpy(), f"reconstructions of {domain}")
        fid = frechet_distance(made, fit_gaussian(before.numpy(), f"originals of {domain}"))
    return DomainScore(
        domain=domain,
        pictures=len(numbers),
        inception_score=score.mean,
        inception_score_deviation=score.deviation,
        inception_score_of_originals=inception_score(classifier.logits(before)).mean,
        fid=fid,
        psnr=float(np.mean([measured.psnr[number] for number in numbers])),
        ssim=float(np.mean([measured.ssim[number] for number in numbers])),
    )


def _measured(pairs: Sequence[PicturePair], network: FeatureNetwork) -> _Measured:
    originals, reconstructions, psnrs, ssims = [], [], list[float](), list[float]()
    bar = tqdm(total=len(pairs), desc="reconstruction", unit="pair", disable=no_bar(), leave=False)
    with bar:
        for start in range(0, len(pairs), BATCH_SIZE):
            opened = list(_opened(pairs[start : start + BATCH_SIZE]))
            originals.append(_features(network, [before for before, _ in opened]))
            reconstructions.append(_features(network, [after for _, after in opened]))
            for before, after in opened:
                pixels = _pixels(before), _pixels(after)
                psnrs.append(psnr(*pixels))
                ssims.append(ssim(*pixels))
            bar.update(len(opened))
    return _Measured(torch.cat(originals), torch.cat(reconstructions), psnrs, ssims)


def _opened(pairs: Sequence[PicturePair]) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Yield both halves in RGB; of an original of another size what a tokenizer sees: its middle, resized."""
    for pair in pairs:
        before, after = (open_published(path).convert("RGB") for path in (pair.original, pair.reconstruction))
        if before.size != after.size:
            before = ImageOps.fit(before, after.size, Image.Resampling.BILINEAR)
        yield before, after


def _features(network: FeatureNetwork, pictures: Sequence[Image.Image]) -> Tensor:
    return network.features(torch.stack([network.preprocess(picture) for picture in pictures])).float().cpu()


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).double() / 255
