"""Runs a conversion: records stream to workers, their lines come back in order, a kill loses little.

The order of records and the size of a chunk are fixed, and a chunk's result depends on its records alone: the output is
the same to the byte for any number of workers, and after any number of kills.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from contest.console import no_bar, one_line, printable, say
from contest.shares import WHOLE, Share, at_work, begin_share, require_no_shares
from contest.worker_pool import in_workers
from data_prep.card import write_card
from data_prep.conversion import ConvertedChunk, Converter
from data_prep.counts import Counts
from data_prep.records import DataSource, ImageMode, SkippedRecord, SourceRecord
from data_prep.shares import CODE_ROOM, end_share, shares_folder
from data_prep.split import Splitting
from data_prep.writing_folders import FolderWriter
from errors import UserError
from models.bpe import BPE

CHUNK_RECORDS = 256
SAVE_SECONDS = 5.0
MAX_PRINTED = 20
WAITING_CHUNKS = 4  # a worker, so that neither it nor the reader waits


class StrictError(UserError):
    """The first broken record of a conversion that shall have none."""


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """How a source is converted.

    `workers`: processes besides this one; with one, everything happens in this process. `strict`: stop at the first
    broken record. `bpe`: a YouTokenToMe model file to measure texts with; `left_limit`: tokens that a left text may
    have.
    """

    splitting: Splitting = field(default_factory=Splitting)
    workers: int = 1
    strict: bool = False
    image_mode: ImageMode = "link"
    bpe: Path | None = None
    left_limit: int = 384


def run(source: DataSource, out: Path, conversion: ConversionSettings, share: Share = WHOLE) -> Counts:
    """Convert a source into task folders below `out`, with a card in each, or go on with a conversion that was killed.

    A `share` of it reads all records and converts every N-th chunk of them, for `merge_shares`.
    Broken records are named on the standard error (the first twenty) and in `skipped.jsonl` (all).
    Raises OutputTakenError, ContestError (see `FolderWriter`), SourceError for a file that can not be read on,
    StrictError, BPEFormatError, ShareError.
    """
    bpe = None if conversion.bpe is None else BPE(conversion.bpe)
    place = shares_folder(out, source.name)
    if share.is_whole:
        require_no_shares(place)
        return _run_whole(source, out, conversion, bpe)
    record = begin_share(place, share, CODE_ROOM)
    with at_work(record):
        agreement = _agreement(source, conversion)
        writer = FolderWriter(record.folder, source.name, source.tasks, agreement, chunked=True)
        if not writer.is_whole:
            try:
                _run(source, _converter(source, writer, conversion, bpe), writer, conversion, share)
            finally:
                writer.close()
        end_share(record, source, agreement, writer.progress)
    return Counts.from_json(writer.progress["tally"])


def _run_whole(source: DataSource, out: Path, conversion: ConversionSettings, bpe: BPE | None) -> Counts:
    writer = FolderWriter(out, source.name, source.tasks, _agreement(source, conversion))
    if writer.is_whole:
        writer.finish(writer.progress, {})
        return Counts.from_json(writer.progress["tally"])
    try:
        counts = _run(source, _converter(source, writer, conversion, bpe), writer, conversion, WHOLE)
        cards = write_card(source.name, source.licence, writer, counts, conversion.left_limit)
        writer.finish(writer.progress, cards)
    finally:
        writer.close()
    return counts


def _converter(source: DataSource, writer: FolderWriter, conversion: ConversionSettings, bpe: BPE | None) -> Converter:
    images = {task: writer.images(task) for task in source.tasks}
    return Converter(source, conversion.splitting, images, conversion.image_mode, bpe)


def _agreement(source: DataSource, conversion: ConversionSettings) -> dict[str, Any]:
    return {
        **source.settings,
        "validation_share": conversion.splitting.share,
        "split_seed": conversion.splitting.seed,
        "pictures": conversion.image_mode,
        "bpe": None if conversion.bpe is None else one_line(conversion.bpe.name),
        "left_limit": conversion.left_limit,
    }


def _run(
    source: DataSource, converter: Converter, writer: FolderWriter, conversion: ConversionSettings, share: Share
) -> Counts:
    """Convert what is not done yet; the writer's `progress` then says what came of it, and is not saved yet."""
    saved = writer.progress or {"chunks": 0, "tally": Counts().to_json(), "printed": 0}
    counts, done, printed = Counts.from_json(saved["tally"]), saved["chunks"], saved["printed"]
    if conversion.strict and counts.faults:
        skipped = f"holds a conversion that has skipped {counts.faults} broken records"
        raise StrictError(skipped, "remove it first", where=str(writer.folder))
    scratch = writer.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    saved_at = time.monotonic()
    with tqdm(unit=" records", disable=no_bar(), initial=counts.read) as progress:
        read = hashlib.sha256()
        chunks = _chunks(source, scratch, done, share, read)
        converted_chunks: Iterator[ConvertedChunk] = map(converter.convert, chunks)
        if conversion.workers > 1:
            converted_chunks = in_workers(
                Converter.convert,
                converter,
                chunks,
                conversion.workers,
                waiting=WAITING_CHUNKS,
                if_killed="start again to go on",
            )
        for converted in converted_chunks:
            faults = [problem for problem in converted.problems if problem.reason.is_fault]
            if faults and conversion.strict:
                raise StrictError(str(faults[0]), "--strict refuses broken records; without it they are skipped")
            for problem in faults[: MAX_PRINTED - printed]:
                tqdm.write(printable(f"data_prep: {problem}"), file=sys.stderr)
                printed += 1
            _write(writer, converted)
            counts.add(converted.counts)
            done += 1
            progress.update(converted.counts.read)
            if time.monotonic() - saved_at >= SAVE_SECONDS:
                writer.save({"chunks": done, "tally": counts.to_json(), "printed": printed})
                saved_at = time.monotonic()
    if counts.faults > printed:
        say(f"data_prep: ... and {counts.faults - printed} more, see skipped.jsonl")
    shutil.rmtree(scratch)
    writer.progress = {"chunks": done, "tally": counts.to_json(), "printed": printed}
    if not share.is_whole:
        writer.progress["records_sha256"] = read.hexdigest()
        writer.seal(writer.progress)
    return counts


def _chunks(
    source: DataSource, scratch: Path, done: int, share: Share, read: hashlib._Hash
) -> Iterator[list[SourceRecord | SkippedRecord]]:
    """A share's chunks of the source's records, but for those that are done; of a part, `read` is fed all records."""
    records = source.records(scratch)
    for number in count():
        chunk = list(islice(records, CHUNK_RECORDS))
        if not chunk:
            return
        if not share.is_whole:  # so that `merge` can tell whether all shares have read the same
            read.update(
                repr(
                    [tuple(record)[1:] if isinstance(record, SourceRecord) else record.reason.name for record in chunk]
                ).encode("utf-8", "surrogatepass")
            )
        if share.takes(number) and number // share.count >= done:
            yield chunk


def _write(writer: FolderWriter, converted: ConvertedChunk) -> None:
    for (task, split), entries in converted.entries.items():
        writer.add(task, split, entries, converted.digests[task, split])
    if writer.chunked:
        numbers = {f"{task} {split}": len(added) for (task, split), added in converted.entries.items()}
        writer.end_chunk(numbers, len(converted.problems))
    writer.skip(
        [
            json.dumps(
                {"file": problem.file, "place": problem.place, "reason": problem.reason.name, "detail": problem.detail},
                ensure_ascii=False,
            )
            for problem in converted.problems
        ]
    )
