"""What a task folder holds: its samples with their answers, one after the other, from JSON files or shards.

Memory does not grow with the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.shards import find_shards, holds_pictures, read_shard
from contest.streaming import stream_ground_truth, stream_input
from training.tune.data.external_shards import ExternalSource, named_shards
from training.tune.data.records import Record, TrainingDataError
from training.tune.settings import ColumnSettings

ROWS_AT_ONCE = 1024
NO_COLUMNS = ColumnSettings()
ANSWERS = pa.schema({"id": pa.string(), "references": pa.list_(pa.string()), "picture": pa.string()})


def find_source(
    folder: Path,
    task: str,
    split: str,
    files: Sequence[str] | None = None,
    shards_of_others: str | None = None,
    columns: ColumnSettings = NO_COLUMNS,
) -> Source:
    """Return the source of a task folder: `<task>_<split>.json` with its answers, or Parquet shards.

    `files`: questions and answers that are named otherwise, or lie elsewhere. `shards_of_others`: a pattern of shards
    that others wrote, in which `columns` says what is what.

    Raises `TrainingDataError` if there is neither, or both, or no file of that pattern; `ShardError` for a set of
    shards that is not whole.
    """
    if shards_of_others is not None:
        return ExternalSource(folder, named_shards(folder, shards_of_others), columns)
    names = files if files is not None else (f"{task}_{split}.json", f"{task}_{split}_answer.json")
    questions, answers = (folder / name for name in names)
    shards = find_shards(folder, task, split) if files is None else []
    if shards and questions.exists():
        raise TrainingDataError(f"{questions} and {shards[0].name} lie side by side; remove the one or the others")
    if shards:
        return ShardSource(folder, task, tuple(shards))
    for path in (questions, answers):
        if not path.is_file():
            raise TrainingDataError(
                f"{path}: no such file; a task folder holds <task>_{split}.json and its answers, or shards"
            )
    return JsonSource(questions, answers)


def _picture_of(sample: Sample, truth: GroundTruth) -> str | None:
    # The picture is the answer's for generation, the input's last one otherwise, as the published inference takes it.
    if truth.images:
        return truth.images[0]
    return sample.images[-1] if sample.images else None


@dataclass(frozen=True)
class ShardSource:
    """Parquet shards of one set, in order."""

    folder: Path
    task: str
    files: tuple[Path, ...]

    def records(self, scratch: Path) -> Iterator[Record]:
        """Yield the records in the order of the files; `scratch` is not needed.

        Raises `ShardError` for shards that can not be used.
        """
        for path in self.files:
            inside = holds_pictures(path)
            for row, found in enumerate(read_shard(path, self.task)):
                picture = _picture_of(found.sample, found.truth)
                place = (path.name, row) if inside and picture is not None else (None, None)
                yield Record(found.sample.id, " ".join(found.sample.texts), found.truth.texts, picture, *place)


@dataclass(frozen=True)
class JsonSource:
    """A contest file of questions and one of answers, joined by sample id."""

    questions: Path
    answers: Path

    @property
    def folder(self) -> Path:
        """The task folder."""
        return self.questions.parent

    @property
    def files(self) -> tuple[Path, ...]:
        """Both files."""
        return (self.questions, self.answers)

    def records(self, scratch: Path) -> Iterator[Record]:
        """Yield the records in the order of the questions.

        The answers are written to the file `scratch` first, so that any order of theirs will do. Raises
        `TrainingDataError` or `ContestFileError` for files that can not be used.
        """
        with pa.OSFile(str(scratch), "wb") as sink, pa.ipc.new_file(sink, ANSWERS) as writer:
            truths = stream_ground_truth(self.answers)
            while chunk := list(islice(truths, ROWS_AT_ONCE)):
                ids, texts = [truth.id for truth in chunk], [truth.texts for truth in chunk]
                pictures = [truth.images[0] if truth.images else None for truth in chunk]
                writer.write_batch(pa.record_batch([ids, texts, pictures], schema=ANSWERS))
        with pa.memory_map(str(scratch)) as mapped:
            yield from self._joined(pa.ipc.open_file(mapped).read_all())

    def _joined(self, answers: pa.Table) -> Iterator[Record]:
        used = bytearray(len(answers))
        missing: list[str] = []
        samples, first = stream_input(self.questions), 0
        while chunk := list(islice(samples, ROWS_AT_ONCE)):
            for sample, row in zip(chunk, _rows_of(answers, first, [sample.id for sample in chunk]), strict=True):
                if row is None:
                    missing.append(sample.id)
                    continue
                used[row] = True
                references, picture = (answers.column(name)[row].as_py() for name in ("references", "picture"))
                if picture is None and sample.images:
                    picture = sample.images[-1]
                yield Record(sample.id, " ".join(sample.texts), tuple(references), picture)
            first += len(chunk)
        if missing:
            raise TrainingDataError(f"{self.answers}: no answer for sample {missing[0]!r} ({len(missing)} in all)")
        if (row := used.find(0)) >= 0:
            surplus = answers.column("id")[row].as_py()
            raise TrainingDataError(f"{self.questions}: no sample {surplus!r}, whose answer {self.answers.name} holds")


Source = ShardSource | JsonSource | ExternalSource


def _rows_of(answers: pa.Table, first: int, ids: Sequence[str]) -> list[int | None]:
    """Rows of the answers with these ids: at once if they stand in the same order from row `first` on, else sought."""
    column = answers.column("id")
    if column.slice(first, len(ids)).to_pylist() == list(ids):
        return list(range(first, first + len(ids)))
    found: list[int | None] = pc.index_in(pa.array(ids, pa.string()), value_set=column).to_pylist()
    return found
