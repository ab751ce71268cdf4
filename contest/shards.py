"""Task folders of any size as Parquet shards: samples, their answers and their pictures in a few large files.

A shard holds some samples of one task and split and is called `<task>_<split>-00002-of-00005.parquet`. Its columns:

    id       string                                        as the key in `<task>_<split>.json`
    task     string                                        such as `captioning`
    items    list of {type: string, content: string}       as in `input.json`
    answers  list of {type: string, content: list of string}  as in `ground_truth.json`, every acceptable answer
    picture  binary, may be null                           the bytes of the sample's picture file

The sample's picture is the answer's for generation, else the last one of its items. Where `picture` is null throughout
a shard, pictures are files, and contents are paths relative to the shard's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contest.atomic import replacing
from contest.checking import Checker, check_id, parse_ground_truth, parse_sample
from contest.errors import ContestFileError
from contest.ground_truth import GroundTruth
from contest.items import Sample
from contest.stand_ins import stand_in_at
from errors import UserError

_ITEM = {"type": pa.string()}
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "task": pa.string(),
        "items": pa.list_(pa.struct({**_ITEM, "content": pa.string()})),
        "answers": pa.list_(pa.struct({**_ITEM, "content": pa.list_(pa.string())})),
        "picture": pa.binary(),
    }
)
ROWS_IN_A_GROUP = 256  # what is read at once: with photos of 150 KB, 40 MB
_NAME = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.parquet")


class ShardError(UserError):
    """A file is no shard of the samples asked for, or a set of shards is not whole."""


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One sample of a shard: its items, its answers, and the bytes of its picture's file if they lie in the shard."""

    sample: Sample
    truth: GroundTruth
    picture: bytes | None = None


def shard_name(task: str, split: str, index: int, count: int) -> str:
    """File name of shard `index` (from 0) of `count`."""
    return f"{task}_{split}-{index:05d}-of-{count:05d}.parquet"


def find_shards(folder: str | os.PathLike[str], task: str, split: str) -> list[Path]:
    """Return the shards of a task and split in order; none if there are none.

    Raises ShardError if some of the set are missing, or those of two sets lie side by side.
    """
    folder = Path(folder)
    shards = [
        match
        for path in sorted(folder.glob(f"{task}_{split}-*.parquet"))
        if (match := _NAME.fullmatch(path.name)) and match["stem"] == f"{task}_{split}"
    ]
    if not shards:
        return []
    count = int(shards[-1]["count"])
    names = [shard_name(task, split, index, count) for index in range(count)]
    if [match.group() for match in shards] != names:
        odd = sorted({match.group() for match in shards} ^ set(names))
        raise ShardError(f"{odd[0]} is missing or of another set", "put all shards of one set there", where=str(folder))
    return [folder / name for name in names]


def write_shard(path: str | os.PathLike[str], task: str, rows: Iterable[ShardRow]) -> None:
    """Write a shard whole or not at all, a group of rows at a time; memory does not grow with the shard.

    Raises OSError if it can not be written; what stood there stays.
    """
    remaining = iter(rows)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        while group := list(islice(remaining, ROWS_IN_A_GROUP)):
            writer.write_table(pa.Table.from_pylist([_to_json(row, task) for row in group], SCHEMA))


def _to_json(row: ShardRow, task: str) -> dict[str, object]:
    return {
        "id": row.sample.id,
        "task": task,
        "items": [{"type": item.type, "content": item.content} for item in row.sample.items],
        "answers": [{"type": item.type, "content": list(item.contents)} for item in row.truth.items],
        "picture": row.picture,
    }


def read_shard(path: str | os.PathLike[str], task: str) -> Iterator[ShardRow]:
    """Yield the sound samples of a shard in order, without their pictures' bytes.

    Raises ShardError for a file that is no shard or one of another task, ContestFileError with everything that is wrong
    with samples, after the last one. Ids are not compared with each other: they must
    differ within the whole set.
    """
    checker = Checker(os.fspath(path), [])
    with _opened(path) as shard:
        for batch in shard.iter_batches(ROWS_IN_A_GROUP, columns=["id", "task", "items", "answers"]):
            for row in batch.to_pylist():
                checker.sample_id = str(row["id"])
                usable = check_id(checker, checker.sample_id)
                if row["task"] != task:
                    place = f"{checker.file}, sample {row['id']!r}"
                    raise ShardError(f"its task is {row['task']!r}, not {task!r}", where=place)
                sample = parse_sample(checker, row["items"], may_be_empty=False)
                truth = parse_ground_truth(checker, row["answers"])
                if usable and sample is not None and truth is not None:
                    yield ShardRow(sample, truth)
    if checker.errors:
        raise ContestFileError(checker.errors)


def is_shard(path: str | os.PathLike[str]) -> bool:
    """Whether a Parquet file has the columns of a shard. Raises what pyarrow raises for a file that is none."""
    return bool(pq.read_schema(path).remove_metadata() == SCHEMA)


def holds_pictures(path: str | os.PathLike[str]) -> bool:
    """Whether pictures' bytes lie in the shard; if not, pictures are files beside it. Reads the file's end alone."""
    with _opened(path) as shard:
        groups = [shard.metadata.row_group(index) for index in range(shard.metadata.num_row_groups)]
    columns = [(group.column(group.num_columns - 1), group.num_rows) for group in groups]  # leaves; picture is the last
    return any(column.statistics is None or column.statistics.null_count < rows for column, rows in columns)


def read_pictures(path: str | os.PathLike[str], rows: Collection[int]) -> Iterator[tuple[int, bytes | None]]:
    """Yield row number (from 0) and picture's bytes of the rows named, in order, one group of rows in memory.

    Raises ShardError.
    """
    wanted, first = set(rows), 0
    with _opened(path) as shard:
        for index in range(shard.metadata.num_row_groups):
            count = shard.metadata.row_group(index).num_rows
            if chosen := [row for row in range(first, first + count) if row in wanted]:
                pictures = shard.read_row_group(index, columns=["picture"]).column("picture")
                for row in chosen:
                    yield row, pictures[row - first].as_py()
            first += count


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[pq.ParquetFile]:
    """Open a shard and check its columns; what goes wrong with it, now or later, becomes ShardError."""
    file = os.fspath(path)
    try:
        with pq.ParquetFile(file) as shard:
            if shard.schema_arrow.remove_metadata() != SCHEMA:
                found = ", ".join(f"{field.name}: {field.type}" for field in shard.schema_arrow)
                raise ShardError(f"not a shard of samples, its columns are {found}", where=file)
            yield shard
    except FileNotFoundError as error:
        raise ShardError("no such file", where=file) from error
    except (OSError, pa.ArrowException) as error:
        if (other := stand_in_at(file)) is not None:
            raise ShardError(other.what, other.remedy, where=file) from error
        raise ShardError(
            f"not a Parquet file that can be read: {error}", "copy or write it again", where=file
        ) from error
