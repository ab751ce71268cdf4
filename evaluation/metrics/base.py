"""What every metric of the contest shares: cases, notes, and per-sample scores that reduce over processes.

Knows nothing of any one metric, nor of how cases were read.
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from contest.errors import ContestError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from evaluation.metrics.errors import AttemptAborted as AttemptAborted
from evaluation.metrics.errors import NothingToScore as NothingToScore

Mode: TypeAlias = Literal["official", "strict"]
MODES: tuple[Mode, ...] = ("official", "strict")


@dataclass(frozen=True, slots=True)
class UnsoundAnswer:
    """An entry of the predictions that is no sound list of items.

    `value` is the entry as the JSON file holds it, because the organisers' scripts read parts of it all the same;
    `errors` say what is wrong with it.
    """

    value: Any
    errors: tuple[ContestError, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One sample to score.

    Attributes:
        id: the sample's id.
        truth: its acceptable answers.
        answer: the prediction; None where the predictions have no entry for this id, or only an unsound one.
        asked: the input sample; None where no input was given.
        answer_root: folder that picture paths of the answer are relative to.
        input_root: the same for the input.
        truth_root: the same for the ground truth.
        unsound: the prediction's entry where it is no sound list of items. Raises ValueError beside an `answer`.

    """

    id: str
    truth: GroundTruth
    answer: Sample | None
    asked: Sample | None = None
    answer_root: Path | None = None
    input_root: Path | None = None
    truth_root: Path | None = None
    unsound: UnsoundAnswer | None = None

    def __post_init__(self) -> None:
        if self.answer is not None and self.unsound is not None:
            raise ValueError(f"case {self.id}: an answer is either sound or unsound")


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about a sample's score; in mode `strict` also an error that cost it its score.

    `defect` is the number of the difference between code and rules that struck (see `evaluation.metrics.defects`),
    None where none did. `voids_task` marks what makes the whole task 0 in the organisers' scripts.
    """

    sample_id: str
    defect: int | None
    message: str
    voids_task: bool = False


class TaskMetric(Metric):
    """Mean of per-sample scores over the ground truth's ids, with notes; states reduce over processes.

    A subclass names itself, gives `score_cases` and, where it has settings, `settings`. In mode `official` a score
    can depend on the sample before (a stale answer is used again), so that each `update` must get a run of cases in
    ground-truth order; to be equal to the organisers' scripts whatever the file, give all the cases at once.

    Args:
        mode: `official` (the organisers' scripts, number for number) or `strict` (what the rules say).
        kwargs: those of torchmetrics.Metric.

    Raises:
        ValueError: if the mode is unknown.

    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    # Whether the score may stand beside the contest's: not so where a substitute for one of its networks was used.
    comparable: bool = True

    scores: list[Tensor]
    indices: list[Tensor]
    records: list[Tensor]

    def __init__(self, *, mode: Mode = "official", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is unknown; modes: {', '.join(MODES)}")
        self.mode: Mode = mode
        self.add_state("scores", default=[], dist_reduce_fx="cat")  # float64 [samples]
        self.add_state("indices", default=[], dist_reduce_fx="cat")  # int64 [samples]
        # Ids and notes as lines of JSON in bytes: text must travel between processes as a tensor.
        self.add_state("records", default=[], dist_reduce_fx="cat")  # uint8 [bytes]

    @abstractmethod
    def score_cases(self, cases: Sequence[Case]) -> tuple[list[float], list[Note]]:
        """Score cases in ground-truth order: one score a case, and notes. Raises AttemptAborted (mode `official`)."""

    def check_all(self, cases: Sequence[Case]) -> None:
        """Raise AttemptAborted for what only all cases together can tell, before a process scores its share of them."""

    def settings(self) -> Mapping[str, str]:
        """Return what else the scores depend on, for the signature."""
        return {}

    def parts(self) -> dict[str, float]:
        """Return the named parts of a score that has some, such as `meteor` and `clip`."""
        return {}

    def remarks(self) -> Sequence[str]:
        """Return warnings about the score as a whole, such as that of too few samples."""
        return ()

    def mean_of_none(self) -> float:
        """Return the score of no samples. Raises NothingToScore unless the organisers' scripts have an answer."""
        raise NothingToScore(f"{self.name}: there is no sample to score")

    def update(self, cases: Sequence[Case], indices: Sequence[int]) -> None:
        """Score cases; `indices` are their places in the ground truth. Raises ValueError if the lengths differ."""
        if len(cases) != len(indices):
            raise ValueError(f"{len(cases)} cases, but {len(indices)} indices")
        scores, notes = self.score_cases(cases)
        self.keep(cases, indices, scores, notes)

    def keep(
        self, cases: Sequence[Case], indices: Sequence[int], scores: Sequence[float], notes: Iterable[Note]
    ) -> None:
        """Add scores and notes to the states."""
        place = {case.id: index for case, index in zip(cases, indices, strict=True)}
        lines = [json.dumps([index, case.id]) for case, index in zip(cases, indices, strict=True)]
        lines += [
            json.dumps([place[note.sample_id], note.sample_id, note.defect, note.message, note.voids_task])
            for note in notes
        ]
        text = "".join(f"{line}\n" for line in lines)
        self.scores.append(torch.tensor(scores, dtype=torch.float64, device=self.device))
        self.indices.append(torch.tensor(indices, dtype=torch.int64, device=self.device))
        encoded = np.frombuffer(bytearray(text.encode()), dtype=np.uint8)  # torch.frombuffer refuses an empty one
        self.records.append(torch.from_numpy(encoded).to(self.device))

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes, also of one that has seen no sample yet."""
        empty = {"scores": torch.float64, "indices": torch.int64, "records": torch.uint8}
        for state, dtype in empty.items():
            if isinstance(getattr(self, state), list) and not getattr(self, state):
                # torchmetrics would gather a float32 tensor here, which does not go together with the others'.
                getattr(self, state).append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> Tensor:
        """Return the mean as a float64 scalar. Raises NothingToScore without samples."""
        scores = self._score_by_index()
        mean = math.fsum(scores.values()) / len(scores) if scores else self.mean_of_none()
        return torch.tensor(mean, dtype=torch.float64, device=self.device)

    def sample_scores(self) -> dict[str, float]:
        """Return the score of each sample by id, in ground-truth order. Every process must call it."""
        with self.sync_context():
            scores = self._score_by_index()
            ids = {record[0]: record[1] for record in self._records() if len(record) == 2}
        return {ids[index]: score for index, score in scores.items()}

    @property
    def notes(self) -> list[Note]:
        """All notes, in ground-truth order. Every process must ask."""
        with self.sync_context():
            return [note for _, note in self._indexed_notes()]

    def signature(self) -> str:
        """Return all that the scores depend on, such as `textqa|mode:official|lemmas:pymorphy3-2.0.6|v:1`."""
        parts = {"mode": self.mode, **self.settings(), "v": str(self.version)}
        return "|".join([self.name, *(f"{key}:{value}" for key, value in parts.items())])

    def _score_by_index(self) -> dict[int, float]:
        """Scores in ground-truth order. A sample that two processes were given (to fill up a batch) counts once."""
        if len(self.scores) == 0:
            return {}
        pairs = zip(dim_zero_cat(self.indices).tolist(), dim_zero_cat(self.scores).tolist(), strict=True)
        scores = dict(sorted(pairs))
        if any(note.voids_task for _, note in self._indexed_notes()):
            return dict.fromkeys(scores, 0.0)
        return scores

    def _indexed_notes(self) -> list[tuple[int, Note]]:
        found = [(record[0], Note(*record[1:])) for record in self._records() if len(record) == 5]
        notes = sorted(dict.fromkeys(found), key=lambda pair: pair[0])
        # Their script stops there; another process may have gone on behind it.
        last = next((number for number, (_, note) in enumerate(notes) if note.voids_task), len(notes))
        return notes[: last + 1]

    def _records(self) -> list[list[Any]]:
        if len(self.records) == 0:
            return []
        text = bytes(dim_zero_cat(self.records).cpu().numpy()).decode()
        return list(json.loads(f"[{text.rstrip().replace(chr(10), ',')}]"))  # one call is quicker than one a line
