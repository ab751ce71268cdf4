"""Samples of a task in shards that others wrote: which files a pattern names, and the records that they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from contest.console import one_line
from contest.pictures import resolve_picture
from errors import UserError
from training.tune.data.columns import Problems, SampleError, candidates, first_of, text_of, texts_of
from training.tune.data.parquet_shards import has_column, picture_column, read_rows, read_schema
from training.tune.data.records import Record, TrainingDataError
from training.tune.data.tar_shards import TarSample, read_samples
from training.tune.settings import ColumnSettings

TAR, PARQUET = ".tar", ".parquet"
MOST_SHARDS = 100_000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def named_shards(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Return the files that a pattern names below a folder, in order: `*` and `?`, and ranges such as {000..127}.

    Raises `TrainingDataError` for a pattern that leads out of the folder or names no file, and for files that are
    missing, or are neither tar nor Parquet files.
    """
    place = PurePosixPath(pattern)
    if place.is_absolute() or ".." in place.parts or not place.parts:
        raise TrainingDataError(f"{pattern!r} does not stay in {folder}", "set the task's folder, and a pattern in it")
    found = list(dict.fromkeys(path for name in _written_out(pattern) for path in _matching(folder, name)))
    if not found:
        raise TrainingDataError(f"no file is named {pattern}", "check the task's folder and pattern", where=str(folder))
    other = next((path for path in found if path.suffix not in (TAR, PARQUET)), None)
    if other is not None:
        raise TrainingDataError("is neither a .tar nor a .parquet file", "unpack it, or name others", where=str(other))
    unnamed = next((path for path in found if str(path) != one_line(str(path))), None)
    if unnamed is not None:
        raise TrainingDataError("has a name that is no plain text", "rename it", where=one_line(str(unnamed)))
    return tuple(found)


def _matching(folder: Path, name: str) -> list[Path]:
    if any(sign in name for sign in "*?["):
        return sorted(path for path in folder.glob(name) if not path.is_dir())
    if not (folder / name).is_file():
        raise TrainingDataError("no such shard", "copy it there, or name the others", where=str(folder / name))
    return [folder / name]


def _written_out(pattern: str) -> Iterator[str]:
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_SHARDS:
        raise TrainingDataError(f"{found[0]} is no range of 1 to {MOST_SHARDS} shards", "write {FIRST..LAST}")
    for number in range(first, last + 1):
        yield from _written_out(f"{pattern[: found.start()]}{number:0{len(found[1])}}{pattern[found.end() :]}")


@dataclass(frozen=True)
class ExternalSource:
    """Shards that others wrote, in order; `columns` says what is what in them."""

    folder: Path
    files: tuple[Path, ...]
    columns: ColumnSettings

    def records(self, scratch: Path) -> Iterator[Record]:
        """Yield the records in the order of the files; `scratch` is not needed.

        Raises `TrainingDataError` for a shard that can not be read, at once, and for all samples that can not be used,
        after the last one.
        """
        problems = Problems()
        for path in self.files:
            read = self._of_tar if path.suffix == TAR else self._of_parquet
            yield from read(path, path.relative_to(self.folder).as_posix(), problems)
        problems.raise_if_any()

    def _of_tar(self, path: Path, shard: str, problems: Problems) -> Iterator[Record]:
        texts = (self.columns.id, self.columns.left, self.columns.answer)
        for sample in read_samples(str(path), {way[0] for setting in texts for way in candidates(setting)}):
            try:
                yield self._of_sample(sample, shard)
            except SampleError as problem:
                problems.add(f"{path}, sample {sample.key!r}", problem)

    def _of_sample(self, sample: TarSample, shard: str) -> Record:
        if sample.repeated is not None:
            raise SampleError(f"{sample.members[sample.repeated].name} stands twice")
        # A tar file's names are bytes, which need not be UTF-8: they tell a sample, and nothing is found by them.
        sample_id, left, answers = self._texts(sample.values(), f"{shard}:{one_line(sample.key)}")
        if self.columns.picture is None:
            return Record(sample_id, left, answers, None)
        _, member = first_of(self.columns.picture, sample.members)
        if not member.is_file:
            raise SampleError(f"{member.name} is no plain file")
        if not member.size:
            raise SampleError(f"{member.name} has no bytes")
        return Record(sample_id, left, answers, one_line(member.name), shard, member.block)

    def _of_parquet(self, path: Path, shard: str, problems: Problems) -> Iterator[Record]:
        schema, own = read_schema(str(path)), self.columns
        texts = [setting for setting in (own.id, own.left, own.answer) if setting is not None]
        picture = picture_column(str(path), schema, own.picture)
        missing = [setting for setting in texts if not has_column(schema, setting)]
        missing += [own.picture] if own.picture is not None and picture is None else []
        if missing:
            problem = f"has no column {missing[0]}; its columns are {', '.join(schema.names)}"
            raise TrainingDataError(problem, "set the task's `columns` to what it holds", where=str(path))
        in_a_file = picture is not None and not picture[1]
        texts += [own.picture] if in_a_file and own.picture is not None else []
        columns = {way[0] for setting in texts for way in candidates(setting)} & set(schema.names)
        for row, values in enumerate(read_rows(str(path), sorted(columns))):
            try:
                sample_id, left, answers = self._texts(values, f"{shard}:{row}")
                if picture is None:
                    yield Record(sample_id, left, answers, None)
                elif in_a_file:
                    yield Record(sample_id, left, answers, self._file(path, *first_of(own.picture, values)))
                else:
                    yield Record(sample_id, left, answers, picture[0], shard, row)
            except SampleError as problem:
                problems.add(f"{path}, row {row}", problem)

    def _texts(self, values: Any, place: str) -> tuple[str, str, tuple[str, ...]]:
        own = self.columns
        sample_id = place if own.id is None else text_of(*first_of(own.id, values))
        left = [own.prompt] if own.prompt else []
        left += [] if own.left is None else [text_of(*first_of(own.left, values))]
        answers = () if own.answer is None else texts_of(*first_of(own.answer, values))
        return sample_id, " ".join(left), answers

    def _file(self, shard: Path, name: str, value: Any) -> str:
        """The picture's path, which is relative to the shard's folder, relative to the task folder."""
        try:
            path = resolve_picture(shard.parent, text_of(name, value), follow_links=True)
        except UserError as error:
            raise SampleError(error.message) from error
        return (shard.parent.relative_to(self.folder) / text_of(name, value)).as_posix() if path else ""
