"""Parquet files of others, such as a data set on the hub has: texts and pictures by the names of their columns.

Texts are read some hundred rows at a time, pictures a group of rows at a time. A picture may be bytes, what the
`datasets` library makes of one (`bytes` and `path` in one column), or the path of a file beside the shard.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contest.stand_ins import stand_in_at, stand_in_of_data
from training.tune.data.columns import INSIDE, candidates
from training.tune.data.records import TrainingDataError

ROWS_AT_ONCE = 256
LARGEST_GROUP = 2**30  # bytes of one group's pictures: they are read at once
BYTES = "bytes"


def picture_column(path_of_shard: str, schema: pa.Schema, setting: str | None) -> tuple[str, bool] | None:
    """Return the first picture column that is there, as a path, and whether it holds bytes (else paths of files).

    Raises `TrainingDataError` for a column that holds neither.
    """
    for path in candidates(setting):
        kind = _kind(schema, path)
        if kind is not None and pa.types.is_struct(kind) and kind.get_field_index(BYTES) >= 0:
            path, kind = [*path, BYTES], kind.field(BYTES).type
        if kind is not None:
            values = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not _holds_bytes(values) and not _holds_paths(values):
                problem = f"{INSIDE.join(path)} holds {kind}, and a picture is bytes or the path of a file"
                raise TrainingDataError(problem, "set the task's `columns` to what it holds", where=path_of_shard)
            return INSIDE.join(path), not _holds_paths(values)
    return None


def has_column(schema: pa.Schema, setting: str | None) -> bool:
    """Whether one of a setting's candidates is there."""
    return any(_kind(schema, path) is not None for path in candidates(setting))


def _holds_bytes(kind: pa.DataType) -> bool:
    of = pa.types
    return any(holds(kind) for holds in (of.is_binary, of.is_large_binary, of.is_fixed_size_binary, of.is_null))


def _holds_paths(kind: pa.DataType) -> bool:
    return any(holds(kind) for holds in (pa.types.is_string, pa.types.is_large_string))


def _kind(schema: pa.Schema, path: list[str]) -> pa.DataType | None:
    fields: Any = schema
    kind: pa.DataType | None = None
    for name in path:
        index = fields.get_field_index(name) if isinstance(fields, pa.Schema | pa.StructType) else -1
        if index < 0:
            return None
        kind = fields = fields.field(index).type
    return kind


def read_schema(path: str) -> pa.Schema:
    """Return the columns of a shard. Raises `TrainingDataError` for a file that is no Parquet file."""
    with _opened(path) as shard:
        return shard.schema_arrow


def read_rows(path: str, columns: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the named columns of each row, `ROWS_AT_ONCE` rows in memory. Raises `TrainingDataError`."""
    with _opened(path) as shard:
        if not columns:
            yield from ({} for _ in range(shard.metadata.num_rows))
            return
        first = 0
        for batch in shard.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            yield from _values(path, batch, first)
            first += batch.num_rows


def _values(path: str, batch: pa.RecordBatch, first: int) -> list[dict[str, Any]]:
    """Return the rows of a batch, of which the first is row `first` of its shard. Raises `TrainingDataError`."""
    try:
        values: list[dict[str, Any]] = batch.to_pylist()
        return values
    except UnicodeDecodeError as error:  # Parquet only promises that texts are UTF-8
        if batch.num_rows > 1:
            return [value for row in range(batch.num_rows) for value in _values(path, batch.slice(row, 1), first + row)]
        raise TrainingDataError(
            f"row {first} holds a text that is not UTF-8 (byte {error.start})", "write the shard again", where=path
        ) from error


def read_column(path: str, column: str, rows: Collection[int]) -> Iterator[tuple[int, bytes | None]]:
    """Yield row number (from 0) and bytes of the rows named, in order, one group of rows in memory.

    Raises `TrainingDataError`.
    """
    wanted, first = set(rows), 0
    with _opened(path) as shard:
        counts = [shard.metadata.row_group(index).num_rows for index in range(shard.metadata.num_row_groups)]
    for index, count in enumerate(counts):
        if chosen := [row for row in range(first, first + count) if row in wanted]:
            group = _group(path, os.stat(path).st_mtime_ns, column, index)
            for row in chosen:
                value = group[row - first].as_py()
                for name in column.split(INSIDE)[1:]:
                    value = value and value.get(name)
                yield row, value
        first += count


@lru_cache(maxsize=1)  # neighbouring rows are asked for some dozen at a time
def _group(path: str, modified: int, column: str, index: int) -> pa.ChunkedArray:
    del modified  # tells a file that has changed
    leaf = column.replace(INSIDE, ".")
    with _opened(path) as shard:
        group = shard.metadata.row_group(index)
        parts = [group.column(number) for number in range(group.num_columns)]
        size = sum(part.total_uncompressed_size for part in parts if part.path_in_schema == leaf)
        if size > LARGEST_GROUP:
            problem = f"group {index} of its rows holds {size / 2**30:.1f} GiB of {column}, which are read at once"
            raise TrainingDataError(problem, "write the shard with smaller row groups", where=path)
        return shard.read_row_group(index, columns=[leaf]).column(0)


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as shard:
            yield shard
    except FileNotFoundError as error:
        raise TrainingDataError("no such file", where=path) from error
    except (OSError, pa.ArrowException) as error:
        if (other := stand_in_at(path, stand_in_of_data)) is not None:
            raise TrainingDataError(other.what, other.remedy, where=path) from error
        raise TrainingDataError(
            f"not a Parquet file that can be read: {error}", "copy or write it again", where=path
        ) from error
