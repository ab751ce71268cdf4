"""What every metric of the contest shares: per-sample scores and notes, gathered from updates and processes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evaluation.metrics.cases import MODES, Case, Mode, Note, Stage
from evaluation.metrics.errors import NothingToScoreError


@dataclass(frozen=True, slots=True)
class ScoredSample:
    """One sample's score. `index` is its place in the ground truth; `details` are what its metric keeps beside it."""

    index: int
    id: str
    score: float
    notes: tuple[Note, ...] = ()
    details: Any = None


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What a metric makes of all samples.

    Attributes:
        score: the task's score.
        samples: the score of each sample by id, in ground-truth order.
        notes: all notes, in ground-truth order.
        parts: the named parts of a score that has some, such as `meteor` and `clip`.
        remarks: warnings about the score as a whole, such as that of too few samples.
        part_signatures: what a part depends on that is no part of the score, such as `kid`: it has one of its own.

    """

    score: float
    samples: Mapping[str, float]
    notes: tuple[Note, ...]
    parts: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    part_signatures: Mapping[str, str] = field(default_factory=dict)


class TaskMetric:
    """Mean of per-sample scores over the ground truth's ids, with notes.

    A subclass names itself, gives `score_cases` and, where it has settings, `settings`. In mode `official` a score
    can depend on the sample before (a stale answer is used again), so that each `update` must get a run of cases in
    ground-truth order; to be equal to the organisers' scripts whatever the file, give all the cases at once.
    `evaluation.metrics.torch_metric` makes a torchmetrics.Metric of each.

    Args:
        mode: `official` (the organisers' scripts, number for number) or `strict` (what the rules say).

    Attributes:
        samples: what was scored so far, in any order; a sample that was given twice counts once.

    Raises ValueError if the mode is unknown.

    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    # In mode `official`, which part of the organisers' pipeline stood before: it belongs to the signature.
    stage: Stage = "full"

    # Whether the score may stand beside the contest's: not so where a substitute for one of its networks was used.
    comparable: bool = True

    def __init__(self, *, mode: Mode = "official") -> None:
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is unknown; modes: {', '.join(MODES)}")
        self.mode: Mode = mode
        self.samples: list[ScoredSample] = []

    @abstractmethod
    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases in ground-truth order: one score a case, and notes. Raises AttemptAbortedError (`official`)."""
        raise NotImplementedError

    def check_all(self, cases: Sequence[Case]) -> None:
        """Raise AttemptAbortedError for what only all cases together can tell, before a process scores its share."""

    def settings(self) -> Mapping[str, str]:
        """Return what else the scores depend on, for the signature."""
        return {}

    def mean_of_none(self) -> float:
        """Return the score of no samples. Raises NothingToScoreError unless the organisers' scripts have an answer."""
        raise NothingToScoreError(f"{self.name}: there is no sample to score")

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases; `indices` are their places in the ground truth. Raises ValueError if the lengths differ."""
        if len(cases) != len(indices):
            raise ValueError(f"{len(cases)} cases, but {len(indices)} indices")
        scores, notes = self.score_cases(cases)
        self.keep(cases, indices, scores, notes, [None] * len(cases))

    def keep(
        self,
        cases: Sequence[Case],
        indices: Sequence[int],
        scores: Sequence[float],
        notes: Sequence[Note],
        details: Sequence[Any],
    ) -> None:
        """Add scores, notes, and what the metric keeps beside each score, to the samples."""
        notes_of: dict[str, list[Note]] = {case.id: [] for case in cases}
        for note in notes:
            notes_of[note.sample_id].append(note)
        self.samples += [
            ScoredSample(index, case.id, score, tuple(notes_of[case.id]), more)
            for case, index, score, more in zip(cases, indices, scores, details, strict=True)
        ]

    def result(self) -> TaskScore:
        """Return what all samples come to. Raises NothingToScoreError without samples."""
        scores = self.sample_scores()
        return TaskScore(self.mean(scores), scores, self.notes())

    def mean(self, scores: Mapping[str, float]) -> float:
        """Return the mean of scores by id. Raises NothingToScoreError without any."""
        return math.fsum(scores.values()) / len(scores) if scores else self.mean_of_none()

    def sample_scores(self) -> dict[str, float]:
        """Return the score of each sample by id, in ground-truth order: 0 for all if a note voids the task."""
        scores = {name: score for _, score, name in sorted((one.index, one.score, one.id) for one in self.samples)}
        return dict.fromkeys(scores, 0.0) if any(note.voids_task for note in self.notes()) else scores

    def notes(self) -> tuple[Note, ...]:
        """Return all notes in ground-truth order, up to one that voids the task: the organisers' script stops there."""
        ordered = sorted(self.samples, key=lambda one: one.index)
        notes = list(dict.fromkeys(note for one in ordered for note in one.notes))
        last = next((number for number, note in enumerate(notes) if note.voids_task), len(notes))
        return tuple(notes[: last + 1])

    def signature(self) -> str:
        """Return all that the scores depend on, such as `textqa|mode:official|lemmas:pymorphy3-2.0.6|v:1`."""
        stage = {"stage": self.stage} if self.mode == "official" and self.stage != "full" else {}
        parts = {"mode": self.mode, **stage, **self.settings(), "v": str(self.version)}
        return "|".join([self.name, *(f"{key}:{value}" for key, value in parts.items())])
