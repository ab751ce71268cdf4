"""A conversion in shares, each by a host of its own, and what one conversion would have written, made of them.

A share reads all records, as the source's order decides what a chunk is, and converts every N-th chunk:

    DIR/.<source>.shares/share-00001-of-00004/   a writer's folder as it grows, with the entries of each chunk counted

Merging takes one chunk after the other from the share that has it, numbers its entries anew, and makes the card of all.
"""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO

from contest.shares import FINISHED, ShareError, ShareRecord, read_shares, take_file
from data_prep.card import write_card
from data_prep.counts import Counts
from data_prep.duplicates import DIGEST_BYTES
from data_prep.pictures import NameTakenError
from data_prep.reading_folders import PARTS
from data_prep.records import DataSource
from data_prep.split import SPLITS
from data_prep.writing_folders import CHUNKS, SKIPPED, FolderWriter

CODE_ROOM = "data_prep"
ENDING = ".shares"
WORLD = "synthetic"  # a source that reads nothing


def shares_folder(out: Path, source: str) -> Path:
    """Where the shares of a source's conversion into `out` lie."""
    return out / f".{source}{ENDING}"


def share_folders(out: Path) -> list[Path]:
    """Where the shares of all sources lie that were converted into `out`. Raises ShareError if there are none."""
    folders = sorted(path for path in out.glob(f".*{ENDING}") if path.is_dir())
    if not folders:
        raise ShareError(f"{out} holds no shares", "name the --output that the shares were given")
    return folders


def end_share(
    record: ShareRecord, source: DataSource, agreement: Mapping[str, Any], progress: Mapping[str, Any]
) -> None:
    """Write what `merge_shares` needs of a share that is done. Raises ContestError."""
    agreed = {
        "settings": agreement,
        "source": source.name,
        "licence": source.licence,
        "tasks": list(source.tasks),
        "records": progress["records_sha256"],
    }
    replace(record, agreed=agreed, result=progress, ended=FINISHED).write()


def merge_shares(out: Path) -> dict[str, Counts]:
    """Merge the shares of every conversion into `out` into its task folders; return the counts by source.

    The synthetic world's are merged by `data_prep.synthetic.shares`.

    The files are those that one conversion writes, byte by byte. Shares are only read, and stay.

    Raises ShareError for shares that do not belong together, OutputTakenError if a task folder is there already,
    ContestError where the output can not be written, NameTakenError for two pictures of one name.
    """
    folders = [path for path in share_folders(out) if path != shares_folder(out, WORLD)]
    return {folder.name[1 : -len(ENDING)]: _merge_source(out, folder) for folder in folders}


def _merge_source(out: Path, folder: Path) -> Counts:
    records = read_shares(folder, CODE_ROOM)
    agreed = records[0].agreed
    counts = Counts()
    for record in records:
        counts.add(Counts.from_json(record.result["tally"]))
    name, tasks, settings = agreed["source"], agreed["tasks"], agreed["settings"]
    writer = FolderWriter(out, name, tasks, settings)
    if writer.is_whole:
        writer.finish(writer.progress, {})
        return counts
    try:
        with ExitStack() as stack:
            parts = [_SharePart(record.folder / writer.folder.name, tasks, stack) for record in records]
            for number in count():
                if not parts[number % len(parts)].give_chunk(writer):
                    break
            left = [record for part, record in zip(parts, records, strict=True) if part.give_chunk(writer)]
        if left:
            problem = f"{left[0].share} holds more chunks than the shares before it leave room for"
            raise ShareError(problem, "remove the share's folder, and do it again")
        for record in records:
            for task in tasks:
                _take_pictures(record.folder / writer.folder.name / task / "images", writer.images(task))
        cards = write_card(name, agreed["licence"], writer, counts, settings["left_limit"])
        writer.finish({"tally": counts.to_json()}, cards)
    finally:
        writer.close()
    return counts


class _SharePart:
    """The files of a share while they are read once, from their beginning."""

    def __init__(self, folder: Path, tasks: Sequence[str], stack: ExitStack) -> None:
        def opened(name: str) -> BinaryIO:
            return stack.enter_context((folder / name).open("rb"))

        keys = [(task, split) for task in tasks for split in SPLITS]
        self._parts = {
            key: [_lines(opened(f"{key[0]}/{key[0]}_{key[1]}{part}.json")) for part in PARTS] for key in keys
        }
        self._digests = {key: opened(f"{key[0]}_{key[1]}.digests") for key in keys}
        self._skipped, self._chunks = opened(SKIPPED), opened(CHUNKS)

    def give_chunk(self, writer: FolderWriter) -> bool:
        """Append the next chunk's entries to a writer's; False if there is none."""
        line = self._chunks.readline()
        if not line:
            return False
        chunk = json.loads(line)
        for (task, split), parts in self._parts.items():
            number = chunk["entries"].get(f"{task} {split}", 0)
            if number:
                entries = list(zip(*(islice(part, number) for part in parts), strict=True))
                writer.add(task, split, entries, self._digests[task, split].read(number * DIGEST_BYTES))
        skipped = islice(self._skipped, chunk["skipped"])
        writer.skip([line.decode().removesuffix("\n") for line in skipped])
        return True


def _lines(stream: BinaryIO) -> Iterator[str]:
    """The values of a share's file without their numbers: each line after the first holds one."""
    next(stream, None)
    for line in stream:
        yield line.decode().rstrip("\n").removesuffix(",").split(": ", 1)[1]


def _take_pictures(images: Path, target: Path) -> None:
    if not images.is_dir():
        return
    for entry in sorted(os.scandir(images), key=lambda entry: entry.name):
        place = target / entry.name
        if not os.path.lexists(place):
            take_file(Path(entry.path), place)
        elif not (os.path.samefile(entry.path, place) or filecmp.cmp(entry.path, place, shallow=False)):
            raise NameTakenError(f"another picture is called {entry.name} too", "rename one of them", where=entry.path)
