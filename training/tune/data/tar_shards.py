"""WebDataset shards: tar files in which the members of a sample stand together and differ by extension alone.

https://github.com/webdataset/webdataset, "The WebDataset Format". Read member by member in one pass; afterwards a
picture is read by the number of its header's block, without a list of the others.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from contest.console import one_line
from contest.stand_ins import stand_in_at, stand_in_of_data
from training.tune.data.columns import SampleError
from training.tune.data.records import TrainingDataError

BLOCK = tarfile.BLOCKSIZE
LARGEST_TEXT = 2**20
MOST_BLOCKS = 2**31 - 1  # a row of a table is an int32
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member: its name, the block (512 bytes) of its header, its size in bytes, whether it is a plain file."""

    name: str
    block: int
    size: int
    is_file: bool


@dataclass
class TarSample:
    """A sample: the key that its members share, the members by extension, and what some of them hold."""

    key: str
    members: dict[str, TarMember] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    repeated: str | None = None

    def values(self) -> dict[str, Any]:
        """Return what the members hold that were read: JSON as values, all else as text.

        Raises `SampleError`, naming the member.
        """
        return {extension: self._value(extension, data) for extension, data in self.contents.items()}

    def _value(self, extension: str, data: bytes) -> Any:
        name = one_line(self.members[extension].name)
        try:
            text = data.decode("utf-8-sig")
            return json.loads(text) if extension.rpartition(".")[2] == "json" else text
        except UnicodeDecodeError as error:
            raise SampleError(f"{name} is not UTF-8 (byte {error.start})") from error
        except (ValueError, RecursionError) as error:
            raise SampleError(f"{name} is not JSON ({error})") from error


def read_samples(path: str, read: Collection[str]) -> Iterator[TarSample]:
    """Yield the samples of a shard; members with an extension in `read` are read. One sample is held in memory.

    Members without a key (hidden files) or without an extension are none of a sample's, and passed by.
    Raises `TrainingDataError`, naming the shard and the member, for a file that is no tar file, or is not whole.
    """
    with _opened(path) as archive:
        for key, together in groupby(_members(path, archive), lambda found: found[0]):
            sample = TarSample(key)
            for _, extension, info in together:
                if extension in sample.members:
                    sample.repeated = extension
                block, is_file = info.offset_data // BLOCK - 1, info.type in PLAIN
                sample.members[extension] = TarMember(info.name, block, info.size, is_file)
                if extension in read and is_file:
                    sample.contents[extension] = _read(path, archive, info)
            yield sample


def read_members(path: str, blocks: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the block of each header named and the bytes of its member, in order, one member in memory.

    Raises `TrainingDataError` where there is no such member (any more).
    """
    try:
        with open(path, "rb") as stream:
            for block in sorted(blocks):
                stream.seek(block * BLOCK)
                info = tarfile.TarInfo.frombuf(stream.read(BLOCK), "utf-8", "surrogateescape")
                data = stream.read(info.size)
                if len(data) < info.size:
                    raise TrainingDataError(f"ends within {one_line(info.name)}", "copy the shard again", where=path)
                yield block, data
    except tarfile.TarError as error:
        problem = f"no member's header at byte {block * BLOCK} ({error})"
        raise TrainingDataError(problem, "start again: the shard has changed meanwhile", where=path) from error


def _members(path: str, archive: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """Yield key, extension and header of the members that belong to samples."""
    stream: Any = archive.fileobj
    last, end = "its beginning", 0
    while True:
        stream.seek(end)
        try:
            info = tarfile.TarInfo.fromtarfile(archive)  # TarFile.next would keep all of them
        except tarfile.HeaderError:
            break
        if info.offset_data // BLOCK > MOST_BLOCKS:
            raise TrainingDataError("is larger than 1 TiB", "write several shards", where=path)
        last, end = one_line(info.name), archive.offset
        name = PurePosixPath(info.name)
        stem, _, extension = name.name.partition(".")
        if stem and extension and not info.isdir():
            yield str(name.parent / stem), extension.lower(), info
    # Nor would it tell a damaged header, or a file that breaks off between two members, from the end.
    stream.seek(end)
    mark = stream.read(BLOCK)
    if len(mark) < BLOCK:
        raise TrainingDataError(f"breaks off in or behind {last}", "copy the shard again", where=path)
    if mark.strip(b"\0"):
        problem = f"is damaged at byte {end}, behind {last}"
        raise TrainingDataError(problem, "copy or write the shard again", where=path)


def _read(path: str, archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if info.size > LARGEST_TEXT:
        problem = f"{one_line(info.name)} has {info.size} bytes, and is to be read as text"
        raise TrainingDataError(problem, "set the task's `columns` to what the shard holds", where=path)
    stream = archive.extractfile(info)
    assert stream is not None
    data = stream.read()
    if len(data) < info.size:
        raise TrainingDataError(f"ends within {one_line(info.name)}", "copy the shard again", where=path)
    return data


@contextmanager
def _opened(path: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except FileNotFoundError as error:
        raise TrainingDataError("no such file", where=path) from error
    except (tarfile.TarError, EOFError) as error:
        if (other := stand_in_at(path, stand_in_of_data)) is not None:
            raise TrainingDataError(other.what, other.remedy, where=path) from error
        raise TrainingDataError(f"not a whole tar file ({error})", "copy the shard again", where=path) from error
