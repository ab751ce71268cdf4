"""Chooses the samples that the report shows, and gathers their texts and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contest.decoding import PixelBudget
from contest.errors import ContestError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.limits import FREE_PIXELS
from contest.pictures import open_published, resolve_picture
from contest.predictions import read_answers
from contest.reading import read_ground_truth_lenient, read_input_lenient
from evaluation.joining import Joined, input_json_of
from evaluation.results import TaskResult

SHOWN = 4  # best, worst, gains and losses of a task, each
TEXT_CHARACTERS = 3000
REFERENCES = 6
THUMBNAIL_SIDE = 384  # shown at 224 until it is enlarged
JPEG_QUALITY = 72
ALBUM_BYTES = 6_000_000
PICTURES = 3  # of a question, an answer or a reference


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail as a data URI, or what prevents it."""

    uri: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a sample (question, answer, references): `is_there` tells no answer from an empty one."""

    texts: tuple[str, ...] = ()
    pictures: tuple[Thumbnail, ...] = ()
    is_there: bool = True
    more: int = 0


@dataclass(frozen=True, slots=True)
class SampleCard:
    """A sample as the page shows it."""

    id: str
    score: float
    question: Side
    answer: Side
    references: Side
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A sample whose score is not the same in both runs; `before` is the other run's answer, None if not given."""

    card: SampleCard
    score_before: float
    before: Side | None


class Album:
    """Thumbnails, each made once, until they fill their share of the page; `left_out` counts those beyond it.

    Those that a submission drew have a budget of pixels, which nobody is to wait for.
    """

    def __init__(self, size: int = ALBUM_BYTES, pixels: int = FREE_PIXELS) -> None:
        self._free = size
        self._budget = PixelBudget(pixels)
        self._pictures: dict[Path, Thumbnail] = {}
        self.left_out = 0

    def picture(self, root: Path | None, content: str, *, follow_links: bool) -> Thumbnail:
        """Return the thumbnail of the picture that an item names."""
        try:
            if root is None:
                return Thumbnail(None, "its folder is not known")
            path = resolve_picture(root, content, follow_links=follow_links)
            if path not in self._pictures:
                picture = Thumbnail(_thumbnail(path, None if follow_links else self._budget), None)
                if len(picture.uri or "") > self._free:
                    self.left_out += 1
                    picture = Thumbnail(None, "left out: the report would become too large")
                self._free -= len(picture.uri or "")
                self._pictures[path] = picture
            return self._pictures[path]
        except ContestError as error:
            # Not the error's own words, which may name the folders of the machine.
            return Thumbnail(None, f"{error.code.value[0]}: {content[:80]}")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Samples or references by id, and the folder that their pictures' paths are relative to (None: not known).

    In a stranger's folder no link is followed, and its pictures have a budget.
    """

    entries: Mapping[str, Sample | GroundTruth]
    root: Path | None
    is_ours: bool

    def side(self, name: str, album: Album) -> Side:
        """Return what the page shows of an entry."""
        entry = self.entries.get(name)
        if entry is None:
            return Side(is_there=False)
        pictures = [album.picture(self.root, content, follow_links=self.is_ours) for content in entry.images[:PICTURES]]
        texts = tuple(map(shortened, entry.texts[:REFERENCES]))
        return Side(texts, tuple(pictures), more=max(0, len(entry.texts) - REFERENCES))


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The samples, answers and references; `before` are the answers of the other run, None if not given."""

    questions: Shelf
    answers: Shelf
    truths: Shelf
    before: Shelf | None

    @classmethod
    def of(
        cls, joined: Joined, predictions: Path, ground_truth: Path, input_root: Path | None, before: Shelf | None
    ) -> ReportFiles:
        """Take what was read of the files to score them, so that nobody reads them twice."""
        cases = [case for found in joined.cases.values() for case in found]
        questions = {case.id: case.asked for case in cases if case.asked is not None}
        return cls(
            Shelf(questions, None if input_root is None else input_json_of(input_root).parent, is_ours=True),
            Shelf(
                {case.id: case.answer for case in cases if case.answer is not None}, predictions.parent, is_ours=False
            ),
            Shelf({case.id: case.truth for case in cases}, ground_truth.parent, is_ours=True),
            before,
        )

    @classmethod
    def read(
        cls, predictions: Path, ground_truth: Path, input_root: Path | None, before: Shelf | None, ids: Collection[str]
    ) -> ReportFiles:
        """Read what is sound of each file, of the predictions only what answers `ids`.

        Raises ContestFileError for a file that is no JSON object.
        """
        questions = Shelf({}, None, is_ours=True)
        if input_root is not None:
            input_file = input_json_of(input_root)
            questions = Shelf(read_input_lenient(input_file).valid, input_file.parent, is_ours=True)
        return cls(
            questions,
            read_shelf(predictions, ids),
            Shelf(read_ground_truth_lenient(ground_truth), ground_truth.parent, is_ours=True),
            before,
        )


def read_shelf(predictions: Path, ids: Collection[str]) -> Shelf:
    """Read what answers `ids`. Raises ContestFileError for a file that is no JSON object."""
    return Shelf(read_answers(predictions, ids).valid, predictions.parent, is_ours=False)


def best_and_worst(
    task: TaskResult, files: ReportFiles, album: Album
) -> tuple[tuple[SampleCard, ...], tuple[SampleCard, ...]]:
    """Return the samples with the highest and the lowest scores, the extreme ones first; no sample is in both.

    A sample with a full score is none of the worst, and one that got nothing is none of the best.
    """
    best, worst = extreme_ids(task.samples)
    return (
        tuple(_card(name, task, files, album) for name in best),
        tuple(_card(name, task, files, album) for name in worst),
    )


def extreme_ids(scores: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Return the ids of the best and of the worst samples, SHOWN of each, as `best_and_worst` shows them."""
    ranked = sorted(scores, key=lambda name: -scores[name])
    half = len(ranked) // 2
    best, worst = list[str](), list[str]()
    for place, name in enumerate(ranked):
        score = scores[name]
        (best if score >= 1 or (score > 0 and place < half) else worst).append(name)
    return best[:SHOWN], worst[::-1][:SHOWN]


def changes(
    before: TaskResult, after: TaskResult, files: ReportFiles, album: Album
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Return the samples that gained most and those that lost most."""
    gaps = {name: after.samples[name] - before.samples[name] for name in after.samples}
    gains = sorted((name for name in gaps if gaps[name] > 0), key=lambda name: -gaps[name])
    losses = sorted((name for name in gaps if gaps[name] < 0), key=lambda name: gaps[name])

    def change(name: str) -> Change:
        old = None if files.before is None else files.before.side(name, album)
        return Change(_card(name, after, files, album), before.samples[name], old)

    return tuple(change(name) for name in gains[:SHOWN]), tuple(change(name) for name in losses[:SHOWN])


def _card(name: str, task: TaskResult, files: ReportFiles, album: Album) -> SampleCard:
    return SampleCard(
        id=name,
        score=task.samples[name],
        question=files.questions.side(name, album),
        answer=files.answers.side(name, album),
        references=files.truths.side(name, album),
        notes=tuple(note.message for note in task.notes if note.sample_id == name),
    )


def shortened(text: str) -> str:
    """Return a text as long as the page has room for."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    return f"{text[:TEXT_CHARACTERS]} … ({len(text) - TEXT_CHARACTERS} more characters)"


def _thumbnail(path: Path, budget: PixelBudget | None) -> str:
    picture = open_published(path, budget=budget)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
