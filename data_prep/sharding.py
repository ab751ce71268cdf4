"""Packs task folders into Parquet shards, for sets that single JSON files are too large for.

The form of a shard is that of `contest.shards`; fine-tuning reads folders of them as it reads task folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from contest.console import no_bar
from contest.errors import Code, ContestError
from contest.pictures import resolve_picture
from contest.shards import ShardRow, shard_name, write_shard
from data_prep.reading_folders import TaskFolder, find_folders, sound_pairs
from data_prep.records import SourceError
from data_prep.split import SPLITS, Split
from errors import bare_reason


def write_shards(directory: Path, out: Path, rows: int, embed: bool) -> dict[str, int]:
    """Pack every task folder at and below a directory into `out/<task>/`; return the shards of each task and split.

    Args:
        directory: where the task folders are.
        out: where the shards go. What an earlier, killed run has finished there is kept.
        rows: samples of a shard.
        embed: put the pictures' bytes into the shards; otherwise `out/<task>/images` is a link to the folder's own.

    Raises:
        SourceError: no task folder, two of one task, or a folder with faults (`python -m data_prep check` names all).
        ContestError: a picture that can not be read.
        OSError: the shards can not be written.

    """
    folders = find_folders(directory)
    tasks = [folder.task for folder in folders]
    for task in tasks:
        if tasks.count(task) > 1:
            raise SourceError(directory, "", f"has several folders of {task}: merge them first")
    written = {}
    for folder in folders:
        target = out / folder.task
        target.mkdir(parents=True, exist_ok=True)
        if not embed and (folder.path / "images").is_dir() and not (target / "images").is_symlink():
            (target / "images").symlink_to(os.path.abspath(folder.path / "images"))
        for split in SPLITS:
            written[f"{folder.task} {split}"] = _write_split(folder, split, target, rows, embed)
    return written


def _write_split(folder: TaskFolder, split: Split, target: Path, rows: int, embed: bool) -> int:
    total = sum(1 for _ in _rows(folder, split, embed=False))  # also finds every fault before anything is written
    count = -(-total // rows)
    stream = _rows(folder, split, embed)
    with tqdm(total=total, desc=f"{folder.task} {split}", unit=" samples", disable=no_bar(), leave=False) as progress:
        for index in range(count):
            file = target / shard_name(folder.task, split, index, count)
            if file.exists():
                stream = _rows(folder, split, embed, first=(index + 1) * rows)
            else:
                write_shard(file, folder.task, islice(stream, rows))
            progress.update(min(rows, total - index * rows))
    return count


def _rows(folder: TaskFolder, split: Split, embed: bool, first: int = 0) -> Iterator[ShardRow]:
    for pair in islice(sound_pairs(folder, split), first, None):
        picture = None
        if embed:
            content = next(iter(pair.truth.images), pair.sample.images[-1] if pair.sample.has_image else None)
            picture = None if content is None else _bytes(folder, content, pair.sample.id)
        yield ShardRow(pair.sample, pair.truth, picture)


def _bytes(folder: TaskFolder, content: str, sample_id: str) -> bytes:
    path = resolve_picture(folder.path, content, follow_links=True, sample_id=sample_id)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContestError(Code.PICTURE_UNREADABLE, bare_reason(error), file=path, sample_id=sample_id) from error
