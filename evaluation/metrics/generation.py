"""Generation: the mean of ruCLIP score and distance part, (ruCLIP + (200 - min(200, FID)) / 200) / 2.

The distance is one of sets, so that every sample's score is (its ruCLIP score + the distance part) / 2; their mean is
the task's score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from contest.console import counted, counted_with
from contest.decoding import PixelBudget
from contest.errors import ContestError
from contest.pictures import resolve_picture
from evaluation.metrics import cmmd, kid
from evaluation.metrics.answers import first_picture, official_picture, require_every_answer
from evaluation.metrics.base import TaskMetric, TaskScore
from evaluation.metrics.cases import Case, Mode, Note
from evaluation.metrics.clip_score import ClipNetwork, score_drawings
from evaluation.metrics.errors import AttemptAbortedError
from evaluation.metrics.features import (
    FeatureNetwork,
    FeatureStore,
    PictureFeatures,
    picture_features,
    sound_features,
)
from evaluation.metrics.frechet import FeatureError, fit_gaussian, frechet_distance
from evaluation.metrics.kid import KernelDistance, kernel_distance
from evaluation.progress import Progress, silent

INTERVAL_REMARK = "the interval holds the FID part fixed: it is that of the samples' cosines alone"
Rows = npt.NDArray[np.float32]
WORST_DISTANCE = 200.0
ENOUGH_PICTURES = 2048  # below, the covariance of Inception's features is singular and FID strongly biased
# As the organisers' script has it: case matters, and JPEG's alone stand there in capitals too, so that .PNG is none.
OFFICIAL_SUFFIXES = (".bmp", ".jpg", ".JPG", ".jpeg", ".JPEG", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def distance_part(fid: float) -> float:
    """Return the distance as a score from 0 (FID of 200 and more) to 1."""
    return (WORST_DISTANCE - min(WORST_DISTANCE, fid)) / WORST_DISTANCE


@dataclass(frozen=True)
class Distances:
    """Frechet and kernel distance of the drawn pictures from the ground truth's, and how many of each there were.

    `cmmd` is that of their latents, None where no CLIP gave these.
    """

    fid: float
    kid: KernelDistance
    drawn: int
    truths: int
    cmmd: float | None = None


def distances(truths: Rows, drawn: Rows) -> Distances:
    """Return both distances of features [n, d] and [m, d]. Raises FeatureError (NaN, fewer than two rows, widths)."""
    fid = frechet_distance(
        fit_gaussian(truths, "features of the ground truth"), fit_gaussian(drawn, "features of the drawn pictures")
    )
    return Distances(fid, kernel_distance(truths, drawn), len(drawn), len(truths))


def require_equal_numbers(truths: Sequence[Path], drawn: Sequence[Path]) -> None:
    """Raise AttemptAbortedError unless there are as many files on both sides: all that the organisers' script asks."""
    counts = len(set(truths)), len(set(drawn))
    if counts[0] != counts[1]:
        drawn_pictures = counted_with(counts[1], "picture", "was", "were")
        raise AttemptAbortedError(f"{drawn_pictures} drawn for {counts[0]} of the ground truth", defect=20)


def _whole(found: PictureFeatures) -> Tensor:
    if found.errors:
        error = found.errors[0]
        raise AttemptAbortedError(
            f"a drawn picture can not be opened: {error.reason}", sample_id=error.sample_id, defect=1
        )
    return found.rows


def _official_distances(truths: Rows, drawn: Rows) -> Distances:
    try:
        return distances(truths, drawn)
    except FeatureError as error:
        raise AttemptAbortedError(f"no Frechet distance can be taken: {error.message}", defect=1) from error


@dataclass
class FeatureRows:
    """Features [d] of a sample's two pictures, and latents where these are others; None for what does not count."""

    truth: Rows | None = None
    drawn: Rows | None = None
    truth_latent: Rows | None = None
    drawn_latent: Rows | None = None


class Generation(TaskMetric):
    """Score of drawn pictures. Both halves reduce over processes; distances are taken of all pictures at once.

    Args:
        mode: `official` or `strict`; see `score_drawings`. In `official` a distance leaves out what has another suffix
            than the organisers' script knows (difference 20). In `strict` the first picture of each answer counts, and
            with fewer than two the distance part is 0; it is multiplied by the share of samples that have a picture.
            That is how we read "missing = 0 and named" for a distance of sets: leaving a bad picture out, or breaking
            it, must not raise the score.
        clip: the network for texts and pictures.
        features: the network that the distances are taken in.
        latents: `clip` as something that makes unit vectors, for CMMD; without it there is one only where the features
            are such vectors.
        store: where the ground truth's features are kept; nowhere if None.
        progress: hears how far it has come.

    """

    name = "generation"

    def __init__(
        self,
        *,
        clip: ClipNetwork,
        features: FeatureNetwork,
        latents: FeatureNetwork | None = None,
        mode: Mode = "official",
        comparable: bool = True,
        store: FeatureStore | None = None,
        progress: Progress = silent,
    ) -> None:
        super().__init__(mode=mode)
        self._clip, self._features = clip, features
        self._latents = latents if features.latent_scale is None else None
        self._store, self._progress = store, progress
        self.comparable = comparable and not features.is_substitute
        self._problem: str | None = None
        self._is_checked = False

    def settings(self) -> Mapping[str, str]:
        """Name the networks."""
        return {"clip": self._clip.name, "fid": self._features.name}

    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Return the ruCLIP half, and notes on both. Raises NeedsInputError."""
        return self._score_cases(cases, {})

    def _score_cases(self, cases: Sequence[Case], latents: dict[int, Tensor]) -> tuple[list[float], list[Note]]:
        scores, notes = score_drawings(cases, self.mode, self._clip, progress=self._progress, latents=latents)
        for case in cases:
            path = _drawn_picture(case, self.mode)
            if path is not None and not self._counts(path):
                notes.append(Note(case.id, 20, f"{path.name}: the suffix is none of theirs, left out of FID"))
        return scores, notes

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases and take the features of their pictures; `indices` are their places in the ground truth.

        Raises ContestError for a picture of the ground truth that is not sound, AttemptAbortedError (`official`) for a
        drawn one.
        """
        truths = [_truth_picture(case, self.mode) for case in cases]
        drawn = [_drawn_picture(case, self.mode) for case in cases]
        if not self._is_checked:
            self._require_whole(cases, truths, drawn)
        seen: dict[int, Tensor] = {}
        scores, notes = self._score_cases(cases, seen)
        options: dict[str, Any] = {"progress": self._progress}
        features = [FeatureRows() for _ in cases]
        counted = {number: path for number, path in enumerate(truths) if path is not None and self._counts(path)}
        counted_paths = list(counted.values())
        for number, row in zip(counted, self._truth_features(counted_paths, self._features, options), strict=True):
            features[number].truth = row.numpy()
        if self._latents is not None:
            for number, row in zip(counted, self._truth_features(counted_paths, self._latents, options), strict=True):
                features[number].truth_latent = row.numpy()
        chosen = {number: path for number, path in enumerate(drawn) if path is not None and self._counts(path)}
        options["budget"] = PixelBudget.for_samples(len(cases))
        found = picture_features(list(chosen.values()), self._features, **options)
        if self.mode == "official":
            _whole(found)  # in mode strict the ruCLIP half has named what can not be opened
        numbers = list(chosen)
        for place, row in zip(found.places, found.rows, strict=True):
            features[numbers[place]].drawn = row.numpy()
        if self._latents is not None:
            opened = {numbers[place]: chosen[numbers[place]] for place in found.places}
            for number, row in self._drawn_latents(cases, opened, seen, self._latents, options):
                features[number].drawn_latent = row
        self.keep(cases, indices, scores, notes, features)

    def _drawn_latents(
        self,
        cases: Sequence[Case],
        opened: Mapping[int, Path],
        seen: Mapping[int, Tensor],
        network: FeatureNetwork,
        options: Mapping[str, Any],
    ) -> Iterator[tuple[int, Rows]]:
        """Yield the latents [d] of drawn pictures by the case's number: most were made for the ruCLIP half already."""
        known = {number for number in opened if number in seen and _is_one_picture(cases[number], self.mode)}
        for number in known:
            yield number, seen[number].numpy()
        rest = [number for number in opened if number not in known]
        found = picture_features([opened[number] for number in rest], network, **options)
        for place, row in zip(found.places, found.rows, strict=True):
            yield rest[place], row.numpy()

    def check_all(self, cases: Sequence[Case]) -> None:
        """Raise AttemptAbortedError (`official`) unless as many pictures were drawn as there are in the ground truth.

        `update` asks that of its own cases, unless they were asked for all of them here.
        """
        drawn = [_drawn_picture(case, self.mode) for case in cases]
        self._require_whole(cases, [_truth_picture(case, self.mode) for case in cases], drawn)
        self._is_checked = True

    def _require_whole(
        self, cases: Sequence[Case], truths: Sequence[Path | None], drawn: Sequence[Path | None]
    ) -> None:
        if self.mode == "official":
            require_every_answer(cases)
            require_equal_numbers(*([path for path in paths if path is not None] for paths in (truths, drawn)))

    def _truth_features(self, paths: Sequence[Path], network: FeatureNetwork, options: Mapping[str, Any]) -> Tensor:
        if self._store is None:
            return sound_features(paths, network, **options)
        kept = self._store.features(paths, network, **options)
        self._problem = kept.problem
        return kept.rows

    def result(self) -> TaskScore:
        """Return (ruCLIP score + distance part) / 2 of each sample and of all, with both halves and the distances.

        Raises NothingToScoreError, FeatureError, AttemptAbortedError (`official`) where no distance can be taken.
        """
        ruclip = super().result()
        distance = self._distances()
        signatures: dict[str, str] = {}
        part = 0.0 if distance is None else distance_part(distance.fid)
        parts = {"clip": ruclip.score, "distance_part": part}
        if distance is not None:
            if self.mode == "strict":
                parts["distance_part"] = part = part * distance.drawn / distance.truths
            parts |= {"fid": distance.fid, "kid": distance.kid.mean, "kid_std": distance.kid.std}
            signatures = {"kid": kid.signature(self._features.name)}
            if distance.cmmd is not None:
                parts["cmmd"] = distance.cmmd
                signatures["cmmd"] = cmmd.signature(self._clip.name)
        samples = {sample_id: (score + part) / 2 for sample_id, score in ruclip.samples.items()}
        score = (ruclip.score + part) / 2
        return replace(
            ruclip,
            score=score,
            samples=samples,
            parts=parts,
            remarks=self._remarks(distance),
            part_signatures=signatures,
        )

    def _remarks(self, distance: Distances | None) -> tuple[str, ...]:
        """Return what makes the distance less than it seems."""
        remarks = []
        if distance is None:
            remarks.append("fewer than two pictures were drawn: the distance part is 0")
        else:
            few, missing = min(distance.drawn, distance.truths), distance.truths - distance.drawn
            if few < ENOUGH_PICTURES:
                others = "KID stands" if distance.cmmd is None else "KID and CMMD stand"
                remarks.append(f"FID of {few} pictures, fewer than {ENOUGH_PICTURES}, is biased: {others} beside it")
            if self.mode == "strict" and missing:
                lack = "lacks" if missing == 1 else "lack"
                all_samples = counted(distance.truths, "sample")
                remarks.append(f"{missing} of {all_samples} {lack} a sound picture: the distance part shrinks")
            remarks.append(INTERVAL_REMARK)
        if self._features.is_substitute:
            remarks.append(f"FID is taken in the features of {self._features.name}: not comparable with the contest's")
        return (*remarks, self._problem) if self._problem else tuple(remarks)

    def _counts(self, path: Path) -> bool:
        return self.mode == "strict" or path.suffix in OFFICIAL_SUFFIXES

    def _distances(self) -> Distances | None:
        """Return the distances of all samples, None (`strict`) with fewer than two drawn pictures."""
        by_place = {one.index: one.details for one in sorted(self.samples, key=lambda one: one.index)}
        rows = list(by_place.values())
        truths, drawn = _stacked([row.truth for row in rows]), _stacked([row.drawn for row in rows])
        if self.mode == "official":
            distance = _official_distances(truths, drawn)
        elif len(drawn) > 1:
            distance = distances(truths, drawn)
        else:
            return None
        if self._latents is not None:
            truths, drawn = _stacked([row.truth_latent for row in rows]), _stacked([row.drawn_latent for row in rows])
            return replace(distance, cmmd=cmmd.cmmd(truths, drawn))
        scale = self._features.latent_scale
        return distance if scale is None else replace(distance, cmmd=cmmd.cmmd(truths / scale, drawn / scale))


def _stacked(rows: Sequence[Rows | None]) -> Rows:
    """Return those that count as a matrix [n, d]; [0, 1] where there is none."""
    counted = [row for row in rows if row is not None]
    return np.stack(counted) if counted else np.empty((0, 1), np.float32)


def _truth_picture(case: Case, mode: Mode) -> Path | None:
    """Return the path of the reference picture; None (`official`) where the splitting finds none to copy."""
    unsound = case.truth.unsound
    content = next(iter(case.truth.images), None) if unsound is None else first_picture(unsound.value)
    if content is not None and case.truth_root is not None:
        return resolve_picture(case.truth_root, content, follow_links=True, sample_id=case.id)
    if mode == "official":
        return None
    raise FeatureError(f"sample {case.id!r}: the ground truth has no picture", "check that it is of generation")


def _is_one_picture(case: Case, mode: Mode) -> bool:
    """Whether the ruCLIP half and the distance look at the same picture; in `official` they count items differently."""
    if mode == "strict":
        return True
    return case.answer is not None and [item.type for item in case.answer.items[:2]] == ["text", "image"]


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
