"""Runs a conversion: records stream to workers, their lines come back in order, a kill loses little. Knows no source.

The order of records and the size of a chunk are fixed, and a chunk's result depends on its records alone: the output is
the same to the byte for any number of workers, and after any number of kills.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from tqdm import tqdm

from contest.children import end_with_parent
from contest.console import one_line, printable, say
from data_prep.card import write_card
from data_prep.conversion import ConvertedChunk, Converter
from data_prep.counts import Counts
from data_prep.pictures import ImageMode
from data_prep.records import DataSource, SkippedRecord, SourceError, SourceRecord
from data_prep.split import Splitting
from data_prep.writing_folders import FolderWriter
from models.bpe import BPE

CHUNK_RECORDS = 256
SAVE_SECONDS = 5.0
MAX_PRINTED = 20
MAX_WORKERS = 1024
WAITING_CHUNKS = 4  # a worker, so that neither it nor the reader waits


class StrictError(ValueError):
    """The first broken record of a conversion that shall have none."""


@dataclass(frozen=True, slots=True)
class ConversionSettings:
    """How a source is converted.

    `workers`: processes beside this one; with one, everything happens in this process. `strict`: stop at the first
    broken record. `bpe`: a YouTokenToMe model file to measure texts with; `left_limit`: tokens that a left text may
    have.

    Raises ValueError for fewer than one worker or very many, or no tokens.
    """

    splitting: Splitting = field(default_factory=Splitting)
    workers: int = 1
    strict: bool = False
    image_mode: ImageMode = "link"
    bpe: Path | None = None
    left_limit: int = 384

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"--workers must be at least 1, got {self.workers}")
        if self.workers > MAX_WORKERS:
            raise ValueError(f"--workers must be at most {MAX_WORKERS}, got {self.workers}")
        if self.left_limit < 1:
            raise ValueError(f"--left-limit must be at least 1, got {self.left_limit}")


def run(source: DataSource, out: Path, conversion: ConversionSettings) -> Counts:
    """Convert a source into task folders below `out`, with a card in each, or go on with a conversion that was killed.

    Broken records are named on the standard error (the first twenty) and in `skipped.jsonl` (all).
    Raises FileExistsError, ContestError (see `FolderWriter`), SourceError for a file that can not be read on,
    StrictError, BPEFormatError.
    """
    bpe = None if conversion.bpe is None else BPE(conversion.bpe)
    writer = FolderWriter(out, source.name, source.tasks, _agreement(source, conversion))
    if writer.is_whole:
        writer.finish(writer.progress, {})
        return Counts.from_json(writer.progress["tally"])
    images = {task: writer.images(task) for task in source.tasks}
    converter = Converter(source, conversion.splitting, images, conversion.image_mode, bpe)
    try:
        counts = _run(source, converter, writer, conversion)
    finally:
        writer.close()
    return counts


def _agreement(source: DataSource, conversion: ConversionSettings) -> dict[str, Any]:
    return {
        **source.settings,
        "validation_share": conversion.splitting.share,
        "split_seed": conversion.splitting.seed,
        "pictures": conversion.image_mode,
        "bpe": None if conversion.bpe is None else one_line(conversion.bpe.name),
        "left_limit": conversion.left_limit,
    }


def _run(source: DataSource, converter: Converter, writer: FolderWriter, conversion: ConversionSettings) -> Counts:
    saved = writer.progress or {"chunks": 0, "tally": Counts().to_json(), "printed": 0}
    counts, done, printed = Counts.from_json(saved["tally"]), saved["chunks"], saved["printed"]
    if conversion.strict and counts.faults:
        raise StrictError(
            f"{writer.folder} holds a conversion that has skipped {counts.faults} broken records: remove it first"
        )
    scratch = writer.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    saved_at = time.monotonic()
    with tqdm(unit=" records", disable=None, initial=counts.read) as progress:
        for converted in _convert_all(converter, _chunks(source, scratch, done), conversion.workers):
            faults = [problem for problem in converted.problems if problem.reason.is_fault]
            if faults and conversion.strict:
                raise StrictError(f"{faults[0]} (--strict refuses broken records; without it they are skipped)")
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
    cards = write_card(source, writer, counts, conversion.left_limit)
    writer.finish({"chunks": done, "tally": counts.to_json(), "printed": printed}, cards)
    return counts


def _chunks(source: DataSource, scratch: Path, done: int) -> Iterator[list[SourceRecord | SkippedRecord]]:
    """The source's records in chunks, but for those that are done."""
    records = source.records(scratch)
    for _ in range(done):
        if len(list(islice(records, CHUNK_RECORDS))) < CHUNK_RECORDS:
            return
    while chunk := list(islice(records, CHUNK_RECORDS)):
        yield chunk


def _convert_all(
    converter: Converter, chunks: Iterator[list[SourceRecord | SkippedRecord]], workers: int
) -> Iterator[ConvertedChunk]:
    """Convert chunks, in order."""
    if workers == 1:
        yield from map(converter.convert, chunks)
        return
    # Spawned, not forked: a fork of a process that has threads may hang.
    context = multiprocessing.get_context("spawn")
    resource_tracker.ensure_running()  # starting it lets signals through that `_ctrl_c_waits` holds
    with ProcessPoolExecutor(workers, context, initializer=_take, initargs=(os.getpid(), converter)) as pool:
        waiting: deque[Future[ConvertedChunk]] = deque()
        try:
            for chunk in chunks:
                with _ctrl_c_waits():
                    waiting.append(pool.submit(_convert, chunk))
                if len(waiting) > WAITING_CHUNKS * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise SourceError("", "", "a worker process was killed (out of memory?); start again to go on") from error
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Hold SIGINT: a worker that is started meanwhile never sees it. This process ends its workers, nobody else."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_converter: Converter | None = None


def _take(parent: int, converter: Converter) -> None:
    global _converter
    end_with_parent(parent)  # workers are started by this process's main thread, which lives as long as it does
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one thread a worker
    _converter = converter


def _convert(chunk: Sequence[SourceRecord | SkippedRecord]) -> ConvertedChunk:
    assert _converter is not None
    return _converter.convert(chunk)


def _write(writer: FolderWriter, converted: ConvertedChunk) -> None:
    for (task, split), entries in converted.entries.items():
        writer.add(task, split, entries, converted.digests[task, split])
    writer.skip(
        [
            json.dumps(
                {"file": problem.file, "place": problem.place, "reason": problem.reason.name, "detail": problem.detail},
                ensure_ascii=False,
            )
            for problem in converted.problems
        ]
    )
