"""Generation: the mean of ruCLIP score and distance part, (ruCLIP + (200 - min(200, FID)) / 200) / 2.

The distance is one of sets, so that every sample's score is (its ruCLIP score + the distance part) / 2; their mean is
the task's score. Knows nothing of how networks come about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.utilities.data import dim_zero_cat

from contest.decoding import PixelBudget
from contest.errors import ContestError
from contest.pictures import resolve_picture
from evaluation.metrics.answers import demand_every_answer, official_picture
from evaluation.metrics.base import AttemptAborted, Case, Mode, Note, TaskMetric
from evaluation.metrics.clip_score import ClipNetwork, score_drawings
from evaluation.metrics.features import (
    BATCH_SIZE,
    FeatureNetwork,
    FeatureStore,
    PictureFeatures,
    picture_features,
    sound_features,
)
from evaluation.metrics.frechet import FeatureError, fit_gaussian, frechet_distance
from evaluation.metrics.kid import KernelDistance, kernel_distance
from evaluation.progress import Progress, silent

INTERVAL_REMARK = "the interval holds the FID part fixed: it is a resampling of the samples' cosines alone"
WORST_DISTANCE = 200.0
ENOUGH_PICTURES = 2048  # below, the covariance of Inception's features is singular and FID strongly biased
# As the organisers' script has it: case matters, and JPEG's alone stand there in capitals too, so that .PNG is none.
OFFICIAL_SUFFIXES = (".bmp", ".jpg", ".JPG", ".jpeg", ".JPEG", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def distance_part(fid: float) -> float:
    """Return the distance as a score from 0 (FID of 200 and more) to 1."""
    return (WORST_DISTANCE - min(WORST_DISTANCE, fid)) / WORST_DISTANCE


def generation_score(clip: float, fid: float) -> float:
    """Return the task's score of a mean ruCLIP score and a Frechet distance."""
    return (clip + distance_part(fid)) / 2


@dataclass(frozen=True)
class Distances:
    """Frechet and kernel distance of the drawn pictures from the ground truth's, and how many of each there were."""

    fid: float
    kid: KernelDistance
    drawn: int
    truths: int


def distances(truths: Tensor, drawn: Tensor) -> Distances:
    """Return both distances of features [n, d] and [m, d]. Raises FeatureError (NaN, fewer than two rows, widths)."""
    first, second = truths.numpy(), drawn.numpy()
    fid = frechet_distance(
        fit_gaussian(first, "features of the ground truth"), fit_gaussian(second, "features of the drawn pictures")
    )
    return Distances(fid, kernel_distance(first, second), len(drawn), len(truths))


def official_distance(
    truths: Sequence[Path],
    drawn: Sequence[Path],
    network: FeatureNetwork,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
) -> Distances:
    """Return the distances that the organisers' script takes of two folders' files (defect 20).

    It demands equal numbers of files, whatever they are, and then leaves out those whose suffix is none of its own.
    Raises AttemptAborted where it raises: other numbers, a broken picture, fewer than two pictures.
    """
    demand_equal_numbers(truths, drawn)
    rows = []
    for paths in (truths, drawn):
        counted = [path for path in paths if path.suffix in OFFICIAL_SUFFIXES]
        found = picture_features(counted, network, batch_size=batch_size, progress=progress)
        rows.append(_whole(found))
    return _official_distances(*rows)


def demand_equal_numbers(truths: Sequence[Path], drawn: Sequence[Path]) -> None:
    """Raise AttemptAborted unless there are as many files on both sides: all that the organisers' script asks."""
    counts = len(set(truths)), len(set(drawn))
    if counts[0] != counts[1]:
        raise AttemptAborted(f"{counts[1]} pictures were drawn for {counts[0]} of the ground truth", defect=20)


def _whole(found: PictureFeatures) -> Tensor:
    if found.errors:
        error = found.errors[0]
        raise AttemptAborted(f"a drawn picture can not be opened: {error.reason}", sample_id=error.sample_id, defect=1)
    return found.rows


def _official_distances(truths: Tensor, drawn: Tensor) -> Distances:
    try:
        return distances(truths, drawn)
    except FeatureError as error:
        raise AttemptAborted(f"no Frechet distance can be taken: {error.message}", defect=1) from error


class Generation(TaskMetric):
    """Score of drawn pictures. Both halves reduce over processes; distances are taken of all pictures at once.

    Args:
        mode: `official` or `strict`; see `score_drawings` and `official_distance`. In `strict` the first picture of
            each answer counts, and with fewer than two the distance part is 0; it is multiplied by the share of
            samples that have a picture. That is how we read "missing = 0 and named" for a distance of sets: leaving
            a bad picture out, or breaking it, must not raise the score.
        clip: the network for texts and pictures.
        features: the network that the distances are taken in.
        store: where the ground truth's features are kept; nowhere if None.
        batch_size: pictures in memory at a time.
        progress: told how far it has come.

    """

    name = "generation"

    truth_rows: list[Tensor]
    truth_places: list[Tensor]
    drawn_rows: list[Tensor]
    drawn_places: list[Tensor]

    def __init__(
        self,
        *,
        clip: ClipNetwork,
        features: FeatureNetwork,
        mode: Mode = "official",
        comparable: bool = True,
        store: FeatureStore | None = None,
        batch_size: int = BATCH_SIZE,
        progress: Progress = silent,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, **kwargs)
        # In a tuple, as torch would otherwise take the networks' weights for this module's own.
        self._networks = (clip, features)
        self._store, self._batch_size, self._progress = store, batch_size, progress
        self.comparable = comparable and not features.is_substitute
        self._distances: Distances | None = None
        self._problem: str | None = None
        self._is_checked = False
        # What is counted comes as rows of features and their samples' places; a row that came twice counts once.
        for state in ("truth_rows", "truth_places", "drawn_rows", "drawn_places"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def settings(self) -> Mapping[str, str]:
        """Name the networks."""
        clip, features = self._networks
        return {"clip": clip.name, "fid": features.name}

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Return the ruCLIP half, and notes on both. Raises NeedsInput."""
        clip, _ = self._networks
        scores, notes = score_drawings(cases, self.mode, clip, batch_size=self._batch_size, progress=self._progress)
        for case in cases:
            path = _drawn_picture(case, self.mode)
            if path is not None and not self._counts(path):
                notes.append(Note(case.id, 20, f"{path.name}: the suffix is none of theirs, left out of FID"))
        return scores, notes

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases and take the features of their pictures; `indices` are their places in the ground truth.

        Raises ContestError for a picture of the ground truth that is not sound, AttemptAborted (`official`) for a
        drawn one.
        """
        self._distances = None
        truths = [_truth_picture(case) for case in cases]
        drawn = [_drawn_picture(case, self.mode) for case in cases]
        if not self._is_checked:
            self._demand_whole(cases, truths, drawn)
        super().update(cases, indices)
        _, network = self._networks
        options: dict[str, Any] = {"batch_size": self._batch_size, "progress": self._progress}
        counted = [number for number, path in enumerate(truths) if self._counts(path)]
        rows = self._truth_features([truths[number] for number in counted], network, options)
        self._add("truth", rows, [indices[number] for number in counted])
        counted = [number for number, path in enumerate(drawn) if path is not None and self._counts(path)]
        options["budget"] = PixelBudget.for_samples(len(cases))
        found = picture_features([path for path in drawn if path and self._counts(path)], network, **options)
        if self.mode == "official":
            _whole(found)  # in mode strict the ruCLIP half has named what can not be opened
        self._add("drawn", found.rows, [indices[counted[place]] for place in found.places])

    def check_all(self, cases: Sequence[Case]) -> None:
        """Raise AttemptAborted (`official`) unless as many pictures were drawn as there are in the ground truth.

        `update` asks that of its own cases, unless they were asked for all of them here.
        """
        drawn = [_drawn_picture(case, self.mode) for case in cases]
        self._demand_whole(cases, [_truth_picture(case) for case in cases], drawn)
        self._is_checked = True

    def _demand_whole(self, cases: Sequence[Case], truths: Sequence[Path], drawn: Sequence[Path | None]) -> None:
        if self.mode == "official":
            demand_every_answer(cases)
            demand_equal_numbers(truths, [path for path in drawn if path is not None])

    def _truth_features(self, paths: Sequence[Path], network: FeatureNetwork, options: Mapping[str, Any]) -> Tensor:
        if self._store is None:
            return sound_features(paths, network, **options)
        kept = self._store.features(paths, network, **options)
        self._problem = kept.problem
        return kept.rows

    def reset(self) -> None:
        """Forget all samples."""
        super().reset()
        self._distances, self._is_checked = None, False

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes, also of one that has seen no sample yet."""
        _, network = self._networks
        for side in ("truth", "drawn"):
            if isinstance(getattr(self, f"{side}_rows"), list) and not getattr(self, f"{side}_rows"):
                self._add(side, torch.empty(0, network.width), [])
        super().sync(*args, **kwargs)

    def compute(self) -> Tensor:
        """Return the task's score as a float64 scalar. Raises what `found_distances` does, NothingToScore."""
        return (super().compute() + self._part()) / 2

    def sample_scores(self) -> dict[str, float]:
        """Return (ruCLIP score + distance part) / 2 of each sample by id. Every process must call it."""
        with self.sync_context():
            part = self._part()
        return {sample_id: (score + part) / 2 for sample_id, score in super().sample_scores().items()}

    def parts(self) -> dict[str, float]:
        """Return ruCLIP score, distance part and distances. Every process must call it."""
        with self.sync_context():
            found, scores, part = self._found(), self._score_by_index(), self._part()
        clip = math.fsum(scores.values()) / len(scores) if scores else self.mean_of_none()
        parts = {"clip": clip, "distance_part": part}
        if found is not None:
            parts |= {"fid": found.fid, "kid": found.kid.mean, "kid_std": found.kid.std}
        return parts

    def remarks(self) -> tuple[str, ...]:
        """Tell what makes the distance less than it seems. Every process must call it."""
        with self.sync_context():
            found = self._found()
        _, network = self._networks
        remarks = []
        if found is None:
            remarks.append("fewer than two pictures were drawn: the distance part is 0")
        else:
            few, missing = min(found.drawn, found.truths), found.truths - found.drawn
            if few < ENOUGH_PICTURES:
                remarks.append(f"FID of {few} pictures, fewer than {ENOUGH_PICTURES}, is biased: KID stands beside it")
            if self.mode == "strict" and missing:
                remarks.append(f"{missing} of {found.truths} samples lack a sound picture: the distance part shrinks")
            remarks.append(INTERVAL_REMARK)
        if network.is_substitute:
            remarks.append(f"FID is taken in the features of {network.name}: not comparable with the contest's")
        return (*remarks, self._problem) if self._problem else tuple(remarks)

    def _counts(self, path: Path) -> bool:
        return self.mode == "strict" or path.suffix in OFFICIAL_SUFFIXES

    def _add(self, side: str, rows: Tensor, places: Sequence[int]) -> None:
        getattr(self, f"{side}_rows").append(rows.to(self.device))
        getattr(self, f"{side}_places").append(torch.tensor(places, dtype=torch.int64, device=self.device))

    def _rows(self, side: str) -> Tensor:
        rows, places = (dim_zero_cat(getattr(self, f"{side}_{kind}")).cpu() for kind in ("rows", "places"))
        row_of = {place: number for number, place in enumerate(places.tolist())}
        return rows[[row_of[place] for place in sorted(row_of)]]

    def _found(self) -> Distances | None:
        """Return the distances of the states as they are, None (`strict`) with fewer than two drawn pictures."""
        if self._distances is None and len(self.truth_rows):
            truths, drawn = self._rows("truth"), self._rows("drawn")
            if self.mode == "official":
                self._distances = _official_distances(truths, drawn)
            elif len(drawn) > 1:
                self._distances = distances(truths, drawn)
        return self._distances

    def _part(self) -> float:
        found = self._found()
        if found is None:
            return 0.0
        part = distance_part(found.fid)
        return part if self.mode == "official" else part * found.drawn / found.truths


def _truth_picture(case: Case) -> Path:
    if not case.truth.images or case.truth_root is None:
        raise FeatureError(f"sample {case.id!r}: the ground truth has no picture", "check that it is of generation")
    return resolve_picture(case.truth_root, case.truth.images[0], follow_links=True, sample_id=case.id)


def _drawn_picture(case: Case, mode: Mode) -> Path | None:
    """Return the path of the answer's first picture, which is the one that counts for the distance."""
    if mode == "official":
        content = official_picture(case)
    else:
        content = next(iter(case.answer.images), None) if case.answer is not None else None
    if content is None or case.answer_root is None:
        return None
    try:
        return resolve_picture(case.answer_root, content, sample_id=case.id)
    except ContestError:
        return None  # named by the ruCLIP half; the organisers' splitting stops before scoring
