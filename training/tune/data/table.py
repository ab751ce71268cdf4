"""A task's records as a file mapped into memory: made once of the task folder, then read by random access.

The file lies in the cache folder, and is made anew when the files of the task folder have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from training.tune.data.cache_folder import locked
from training.tune.data.external_shards import ExternalSource
from training.tune.data.records import Record, TrainingDataError
from training.tune.data.sources import NO_COLUMNS, ROWS_AT_ONCE, Source, find_source
from training.tune.settings import ColumnSettings

TABLE_SUFFIX = ".arrow"
FORM = "1"  # of the columns; another one makes all tables anew
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "left": pa.string(),
        "references": pa.list_(pa.string()),
        "picture": pa.string(),
        "shard": pa.string(),
        "row": pa.int32(),
    }
)


class RecordTable:
    """Records by number. Holds none of them in memory: the system keeps what was read lately.

    `folder`: absolute path of the task folder.
    """

    def __init__(self, table: pa.Table, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self._table = table
        self._columns = [table.column(name) for name in SCHEMA.names]

    def __len__(self) -> int:
        return len(self._table)

    def record(self, number: int) -> Record:
        """Record `number`, from 0. Raises IndexError."""
        if not 0 <= number < len(self):
            raise IndexError(f"record {number} of {len(self)}")
        sample_id, left, references, picture, shard, row = (column[number].as_py() for column in self._columns)
        return Record(sample_id, left, tuple(references), picture, shard, row)

    @property
    def has_pictures(self) -> bool:
        """Whether any record has a picture."""
        return int(self._table.column("picture").null_count) < len(self)

    def texts_sha256(self) -> bytes:
        """SHA-256 of ids, texts and references of all records, in order."""
        digest = hashlib.sha256()
        for chunk in (chunk for name in ("id", "left", "references") for chunk in self._table.column(name).chunks):
            for buffer in chunk.buffers():
                digest.update(b"" if buffer is None else memoryview(buffer))
        return digest.digest()

    def pictures_sha256(self) -> str:
        """SHA-256 of the places of all pictures, in order: the same on every host that has the same task folder."""
        digest = hashlib.sha256()
        for start in range(0, len(self), ROWS_AT_ONCE):
            rows = self._table.slice(start, ROWS_AT_ONCE).select(["picture", "shard", "row"])
            digest.update(repr(rows.to_pydict()).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def open_table(
    folder: Path,
    task: str,
    split: str,
    cache: Path,
    files: Sequence[str] | None = None,
    shards_of_others: str | None = None,
    columns: ColumnSettings = NO_COLUMNS,
) -> RecordTable:
    """Open the table of a task and split; make it first if it is not in the cache or its sources have changed.

    The source is that of `find_source`. Processes that want the same table wait for the first to make it.

    Raises `TrainingDataError`, `ShardError` and `ContestFileError` for a task folder that can not be used, OSError if
    the table can not be written.
    """
    source = find_source(folder, task, split, files, shards_of_others, columns)
    where = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8]
    path = cache / f"{task}_{split}_{where}{TABLE_SUFFIX}"
    state = _state(source)
    table = _mapped(path, state)
    if table is None:
        with locked(path.with_suffix(".lock")):
            table = _mapped(path, state)
            if table is None:
                _make(source, path, state)
                table = _mapped(path, state)
    if table is None:
        raise TrainingDataError(f"{path}: can not be read back after it was written; choose another cache folder")
    return RecordTable(table, folder)


def _state(source: Source) -> bytes:
    """What the table depends on: names, sizes and times of its sources, and its own form."""
    stats = [(path.name, path.stat()) for path in source.files]
    form = [FORM, asdict(source.columns)] if isinstance(source, ExternalSource) else [FORM]
    return json.dumps([*form, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]).encode()


def _mapped(path: Path, state: bytes) -> pa.Table | None:
    """Return the table in the file, or None if there is none, or a damaged one, or one of other sources."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        table = reader.read_all()
    except (OSError, pa.ArrowInvalid):  # no file, or whatever Arrow makes of a damaged one
        return None
    return table if (reader.schema.metadata or {}).get(b"state") == state else None


def _make(source: Source, path: Path, state: bytes) -> None:
    # The lock is held: no other process uses these, and what a killed one left is written over.
    temporary, scratch = (path.with_name(f".{path.name}.{part}") for part in ("tmp", "answers"))
    schema = SCHEMA.with_metadata({"state": state})
    records = source.records(scratch)
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            while chunk := list(islice(records, ROWS_AT_ONCE)):
                columns = [[getattr(record, name) for record in chunk] for name in SCHEMA.names]
                writer.write_batch(pa.record_batch(columns, schema=schema))
        with pa.memory_map(str(temporary)) as mapped:
            _check(pa.ipc.open_file(mapped).read_all(), source)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        scratch.unlink(missing_ok=True)


def _check(table: pa.Table, source: Source) -> None:
    if not len(table):
        raise TrainingDataError(f"{source.files[0]}: the task has no samples")
    if pc.count_distinct(table.column("id")).as_py() < len(table):
        counts = pc.value_counts(table.column("id"))
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"].as_py()
        raise TrainingDataError(f"{source.folder}: sample {repeated!r} stands more than once in the shards")
    empty = pc.and_(pc.equal(pc.list_value_length(table.column("references")), 0), table.column("picture").is_null())
    if (row := pc.index(empty, True).as_py()) >= 0:
        found = table.column("id")[row].as_py()
        raise TrainingDataError(f"{source.files[-1]}: sample {found!r} has neither a text to answer nor a picture")
