"""The cases that metrics score, and the notes they make about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from contest.errors import ContestError
from contest.ground_truth import GroundTruth
from contest.items import Sample

Mode: TypeAlias = Literal["official", "strict"]
MODES: tuple[Mode, ...] = ("official", "strict")

Stage: TypeAlias = Literal["full", "evaluate"]
"""In mode `official`: the organisers' whole pipeline, splitting of the files first, or their evaluation alone."""
STAGES: tuple[Stage, ...] = ("full", "evaluate")


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
