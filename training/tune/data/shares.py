"""The encoding of pictures in shares: each host fills a cache of its own, and one cache is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from contest.shares import (
    FINISHED,
    ShareError,
    ShareRecord,
    at_work,
    begin_share,
    read_shares,
    require_no_shares,
    take_file,
)
from training.tune.data.cache_folder import locked
from training.tune.data.image_encoder import PictureEncoder
from training.tune.data.table import TABLE_SUFFIX, RecordTable

CODE_ROOM = "training"


@contextmanager
def doing_share(encoder: PictureEncoder) -> Iterator[ShareRecord | None]:
    """Hold the share that an encoder has; yield its record, None for all of the work.

    Raises ShareError where another process is at it, and for all of the work where shares lie that are not merged.
    """
    if encoder.share.is_whole:
        require_no_shares(encoder.folder)
        yield None
        return
    record = begin_share(encoder.folder.parent, encoder.share, CODE_ROOM)
    with at_work(record):
        yield record


def end_share(record: ShareRecord, encoder: PictureEncoder, tables: Mapping[str, RecordTable]) -> None:
    """Write what `merge_shares` needs of a share that is done; `tables` are by "<task> <split>"."""
    pictures = {name: table.pictures_sha256() for name, table in tables.items()}
    has_codes = any(table.has_pictures for table in tables.values())
    made_by = encoder.cache.made_by if has_codes else None
    agreed = {"vqgan": made_by and list(made_by), "pictures": pictures, "torch": str(torch.__version__)}
    replace(record, agreed=agreed, result={"has_codes": has_codes}, ended=FINISHED).write()


def merge_shares(encoder: PictureEncoder) -> int:
    """Have the encoder's cache, which is that of all, refer to the caches of all shares; return how many they were.

    Neither tables nor codes are copied where the file system has hard links. The shares' caches are only read, and a
    merge that was killed is done again.

    Raises ShareError for shares that do not belong together or are of another VQGAN, `TrainingDataError`, OSError.
    """
    records = read_shares(encoder.folder, CODE_ROOM)
    # All shares made the same tables; one that does not fit is made anew.
    for table in records[0].folder.glob(f"*{TABLE_SUFFIX}"):
        if not (encoder.folder / table.name).exists():
            take_file(table, encoder.folder / table.name)
    if records[0].result["has_codes"]:
        if records[0].agreed["vqgan"] != list(encoder.cache.made_by):
            raise ShareError(
                f"the shares in {encoder.folder} are of another VQGAN", "give the settings they were given"
            )
        with locked(encoder.folder / "codes.lock"):
            encoder.cache.prepare()
            for record in records:
                encoder.cache.take(_cache_of(record, encoder), f"{record.folder.name}.sqlite")
    return len(records)


def _cache_of(record: ShareRecord, encoder: PictureEncoder) -> Path:
    path = record.folder / encoder.cache.path.name
    if not path.is_file():
        raise ShareError(f"{record.share} has lost {path.name}", "remove the share's folder, and do it again")
    return path
