"""CMMD equals the sum over all pairs, scikit-learn's kernel and a figure by hand, in blocks of bounded size."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics.pairwise import rbf_kernel

from evaluation.metrics import cmmd as module
from evaluation.metrics.cases import Mode
from evaluation.metrics.cmmd import SCALE, SIGMA, cmmd, signature
from evaluation.metrics.features import FeatureNetwork, FeatureStore
from evaluation.metrics.frechet import FeatureError
from evaluation.metrics.generation import Generation
from tests.evaluation.metrics.cases import GOLDEN
from tests.evaluation.metrics.fake_clip import FakeClip
from tests.evaluation.metrics.fake_features import MeanColour
from tests.evaluation.metrics.picture_cases import image, text
from tests.evaluation.metrics.test_generation import NAMES, small

Rows = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def unit(rows: int, width: int, shift: float, seed: int) -> Rows:
    found = np.random.default_rng(seed).normal(shift, 1.0, (rows, width))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def by_pairs(first: Rows, second: Rows) -> float:
    """The published formula, pair by pair: each picture is compared with itself too."""

    def mean(one: Rows, other: Rows) -> float:
        kernel = [math.exp(-sum((a - b) ** 2) / (2 * SIGMA**2)) for a in one for b in other]
        return math.fsum(kernel) / len(kernel)

    return SCALE * (mean(first, first) + mean(second, second) - 2 * mean(first, second))


def test_two_points_by_hand() -> None:
    # Points 10 apart: k = exp(-1/2), which is 0.606531; 1000 (1 + 1 - 2 k).
    first, second = np.zeros((2, 1)), np.full((2, 1), 10.0)
    assert cmmd(first, second) == pytest.approx(786.9386805747332, rel=1e-12)


@pytest.mark.parametrize(("n", "m", "block_rows"), [(2, 2, 1024), (7, 5, 3), (12, 12, 4), (5, 17, 1)])
def test_all_pairs(n: int, m: int, block_rows: int) -> None:
    first, second = unit(n, 8, 0.2, 1), unit(m, 8, -0.1, 2)
    assert cmmd(first, second, block_rows=block_rows) == pytest.approx(by_pairs(first, second), rel=1e-9)


def test_scikit_learn_s_kernel() -> None:
    first, second = unit(300, 64, 0.05, 3), unit(200, 64, 0.0, 4)
    means = [
        rbf_kernel(a, b, 1 / (2 * SIGMA**2)).mean() for a, b in ((first, first), (second, second), (first, second))
    ]
    assert cmmd(first, second, block_rows=64) == pytest.approx(SCALE * (means[0] + means[1] - 2 * means[2]), rel=1e-9)


def test_equal_sets_have_no_distance_and_near_ones_keep_their_digits() -> None:
    rows = unit(50, 16, 0.0, 5)
    assert cmmd(rows, rows[::-1]) == pytest.approx(0.0, abs=1e-10)
    moved = cmmd(rows, rows + 1e-4)
    assert moved == pytest.approx(by_pairs(rows, rows + 1e-4), rel=1e-3)
    assert moved > 0


def test_no_more_than_a_block_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """For 100,000 pictures the kernel would take 80 GB; its blocks are as large as for 1,024, whatever there are."""
    shapes: list[tuple[int, int]] = []
    block = module._block

    def counted(first: Rows, second: Rows) -> float:
        shapes.append((len(first), len(second)))
        return block(first, second)

    monkeypatch.setattr(module, "_block", counted)
    cmmd(np.zeros((2100, 2)), np.zeros((1500, 2)))
    assert max(rows * others for rows, others in shapes) <= module.BLOCK_ROWS**2
    assert len(shapes) == 6 + 3 + 6  # of a set with itself, half of the blocks


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (np.zeros((1, 3)), np.zeros((3, 3)), "two pictures"),
        (np.zeros((3, 3)), np.zeros((3, 2)), "3 and of 2 dimensions"),
        (np.full((3, 3), np.nan), np.zeros((3, 3)), "NaN"),
    ],
)
def test_what_has_no_distance(first: Rows, second: Rows, problem: str) -> None:
    with pytest.raises(FeatureError, match=problem):
        cmmd(first, second)


class CountedLatents(FakeClip):
    """The fake ruCLIP as what makes latents; counts the pictures that it is given beyond the ruCLIP half."""

    pictures = 0

    def network(self, scale: float = 1.0) -> FeatureNetwork:
        def latents(pixels: torch.Tensor) -> torch.Tensor:
            self.pictures += len(pixels)
            return scale * self.image_latents(pixels)

        return FeatureNetwork("fake-latents", "none", 16, True, self.preprocess, latents, scale)


def latents_of(names: Sequence[str]) -> Rows:
    clip = FakeClip()
    return torch.stack([clip.preprocess(Image.open(GOLDEN / "images" / name)) for name in names]).double().numpy()


def answers(**changed: list[Any]) -> dict[str, Any]:
    return {name.removeprefix("of_"): items for name, items in changed.items()}


OTHER = answers(of_0=[text(""), image("00005.png")])
DRAWN = ["00005.png", *reversed(NAMES[:3])]


@pytest.mark.parametrize(
    ("mode", "changed", "drawn", "extra"),
    [
        ("strict", OTHER, DRAWN, 0),
        ("official", OTHER, DRAWN, 0),
        # The two halves of the official score look at different pictures: the distance takes the first one.
        ("official", answers(of_0=[image("00005.png"), image("00006.png")]), DRAWN, 1),
        ("strict", answers(of_0=[image("00005.png"), image("00006.png")]), DRAWN, 0),
        ("strict", answers(of_0=[text(""), image("broken.png")]), DRAWN[1:], 0),
    ],
)
def test_generation_has_it_beside_kid(mode: Mode, changed: dict[str, Any], drawn: list[str], extra: int) -> None:
    clip = CountedLatents()
    metric = Generation(mode=mode, clip=clip, features=MeanColour(), latents=clip.network())
    plain = Generation(mode=mode, clip=FakeClip(), features=MeanColour())
    for each in (metric, plain):
        each.update(small(changed), range(4))
    found, without = metric.result(), plain.result()
    assert found.parts["cmmd"] == pytest.approx(cmmd(latents_of(NAMES), latents_of(drawn)), rel=1e-5)
    assert clip.pictures == len(NAMES) + extra  # what was drawn is not run through the network a second time
    assert found.part_signatures["cmmd"] == signature("fake")
    # It is no part of the score, nor of what the score depends on.
    assert (found.score, found.samples, metric.signature()) == (without.score, without.samples, plain.signature())
    assert "cmmd" not in {*without.parts, *without.part_signatures}
    assert "KID and CMMD stand beside it" in found.remarks[0]


def test_features_that_are_latents_are_not_made_twice() -> None:
    clip = CountedLatents()
    metric = Generation(mode="strict", clip=clip, features=clip.network(10.0), latents=clip.network())
    metric.update(small(OTHER), range(4))
    assert metric.result().parts["cmmd"] == pytest.approx(cmmd(latents_of(NAMES), latents_of(DRAWN)), rel=1e-4)
    assert clip.pictures == 2 * len(NAMES)  # for the distance itself, which has its own pass


def test_the_ground_truth_s_latents_are_kept(tmp_path: Path) -> None:
    clip = CountedLatents()
    for _ in range(2):
        metric = Generation(
            mode="strict", clip=clip, features=MeanColour(), latents=clip.network(), store=FeatureStore(tmp_path)
        )
        metric.update(small(OTHER), range(4))
    assert clip.pictures == len(NAMES)


def test_the_signature_names_all_that_it_depends_on() -> None:
    assert signature("ruclip-x") == "cmmd|kernel:gaussian|sigma:10|scale:1000|estimator:biased|latents:ruclip-x|v:1"
