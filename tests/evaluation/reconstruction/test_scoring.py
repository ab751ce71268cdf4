"""Scores by domain, through real files, with a network that is quick; and once through Inception itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.image.fid import FrechetInceptionDistance

from contest.errors import ContestError
from evaluation.metrics.features import inception_features
from evaluation.reconstruction.measures import MeasureError
from evaluation.reconstruction.pairs import find_pairs
from evaluation.reconstruction.scoring import (
    Classifier,
    score_reconstructions,
    score_table,
    scores_to_json,
    signature,
)
from models.inception import Inception
from tests.inception_weights import made_up_weights


@dataclass(frozen=True)
class Averages:
    """Means of the colours of quarters: twelve features."""

    name: str = "averages"
    weights_sha256: str = ""
    width: int = 12
    is_substitute: bool = True

    def preprocess(self, picture: Image.Image) -> torch.Tensor:
        pixels = np.array(picture.convert("RGB").resize((16, 16)))
        return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(pictures, 8).flatten(1)


CLASSIFIER = Classifier(torch.randn(1008, 12, generator=torch.Generator().manual_seed(1)))


def write_pictures(root: Path, count: int, noise: int = 20) -> tuple[Path, Path]:
    draw = np.random.default_rng(3)
    for folder in ("before", "after"):
        (root / folder).mkdir()
    for number in range(count):
        pixels = draw.integers(0, 256, (32, 32, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(root / "before" / f"{number:02}.png")
        damaged = (pixels + draw.integers(-noise, noise + 1, pixels.shape)).clip(0, 255)
        Image.fromarray(damaged.astype(np.uint8)).save(root / "after" / f"{number:02}.png")
    return root / "before", root / "after"


def test_scores_by_domain(tmp_path: Path) -> None:
    pairs = find_pairs(*write_pictures(tmp_path, 40))  # more than one batch
    domains = {"face": tuple(pair.name for pair in pairs[:30]), "text": (pairs[39].name,), "zoo": ()}
    scores = score_reconstructions(pairs, domains, Averages(), CLASSIFIER)
    assert [(score.domain, score.pictures) for score in scores] == [("all", 40), ("face", 30), ("text", 1)]
    network = Averages()
    for score, number in zip(scores[:2], (40, 30), strict=True):
        before, after = (
            torch.stack([network.preprocess(Image.open(path)) for path in paths[:number]])
            for paths in ([pair.original for pair in pairs], [pair.reconstruction for pair in pairs])
        )

        class Features(torch.nn.Module):
            num_features = 12

            def forward(self, pictures: torch.Tensor) -> torch.Tensor:
                return network.features(pictures)

        oracle = FrechetInceptionDistance(feature=Features())
        oracle.set_dtype(torch.float64)
        oracle.update(before.double(), real=True)
        oracle.update(after.double(), real=False)
        assert score.fid == pytest.approx(float(oracle.compute()), rel=1e-3, abs=1e-9)
    assert scores[2].fid is None
    assert 20 < scores[0].psnr < 35
    assert 0.9 < scores[0].ssim < 1


def test_perfect_reconstructions(tmp_path: Path) -> None:
    (score,) = score_reconstructions(find_pairs(*write_pictures(tmp_path, 5, 0)), {}, Averages(), CLASSIFIER)
    assert (score.ssim, score.fid) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert score.inception_score == score.inception_score_of_originals >= 1


def test_an_original_of_another_size_is_seen_as_a_tokenizer_sees_it(tmp_path: Path) -> None:
    for folder, size in (("before", (64, 32)), ("after", (16, 16))):
        (tmp_path / folder).mkdir()
        picture = Image.new("RGB", size, "white")
        if folder == "before":
            picture.paste("black", (0, 0, 8, 32))  # beside the middle square
        picture.save(tmp_path / folder / "a.png")
    (score,) = score_reconstructions(find_pairs(tmp_path / "before", tmp_path / "after"), {}, Averages(), CLASSIFIER)
    assert score.ssim == pytest.approx(1.0)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    before, after = write_pictures(tmp_path, 2)
    (after / "01.png").write_bytes(b"none")
    with pytest.raises(ContestError, match=r"01\.png"):
        score_reconstructions(find_pairs(before, after), {}, Averages(), CLASSIFIER)


def test_table_and_json(tmp_path: Path) -> None:
    scores = score_reconstructions(find_pairs(*write_pictures(tmp_path, 2)), {"face": ["01"]}, Averages(), CLASSIFIER)
    head, everything, face = score_table(scores).splitlines()
    assert head.split() == ["domain", "pictures", "IS", "IS", "of", "originals", "FID", "PSNR,", "dB", "SSIM"]
    assert (everything.split()[:2], face.split()[:2]) == (["all", "2"], ["face", "1"])
    assert len({len(line) for line in (head, everything, face)}) == 1
    result = scores_to_json(scores, Averages())
    assert result["signature"] == signature(Averages())
    assert "fid:averages" in signature(Averages())


@pytest.mark.slow
def test_through_inception(tmp_path: Path) -> None:
    file = tmp_path / "inception.pth"
    weights = made_up_weights()
    torch.save(weights, file)
    pairs = find_pairs(*write_pictures(tmp_path, 2))
    network = inception_features(Inception.from_file(file))
    classifier = Classifier.from_file(file)
    (score,) = score_reconstructions(pairs, {}, network, classifier)
    rows = network.features(torch.stack([network.preprocess(Image.open(pair.reconstruction)) for pair in pairs]))
    logits = torch.nn.functional.linear(rows, weights["fc.weight"]).double().log_softmax(1)
    # Two pictures are two splits of one, each of which scores 1 whatever it shows.
    assert logits.shape == (2, 1008)
    assert (score.inception_score, score.pictures) == (pytest.approx(1.0), 2)
    assert score.fid is not None
    assert score.fid > 0


def test_the_classifier_of_a_file(tmp_path: Path) -> None:
    weight = torch.randn(1008, 12)
    torch.save({"fc.weight": weight, "fc.bias": torch.ones(1008)}, tmp_path / "inception.pth")
    rows = torch.rand(3, 12)
    assert torch.equal(Classifier.from_file(tmp_path / "inception.pth").logits(rows), rows @ weight.T)


def test_a_file_without_a_classifier(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "other.pth")
    with pytest.raises(MeasureError, match="1008 classes"):
        Classifier.from_file(tmp_path / "other.pth")
    with pytest.raises(MeasureError, match="do not fit"):
        CLASSIFIER.logits(torch.zeros(1, 5))
