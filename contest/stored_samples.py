"""The samples of an `input.json` that stay in it: of each one nine bytes are held in memory, whatever it has to say.

Ids, and where samples stand, are in a spool; a sample's items are read from the file when they are wanted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import overload

from contest.checking import Checker, check_id, parse_sample
from contest.errors import Code, ContestError
from contest.id_index import ABSENT, IdIndex
from contest.items import Item, Sample
from contest.reading import read_input_lenient
from contest.selection import Selection
from contest.spool import RecordSpool
from contest.streaming import pairs_of
from errors import UserError, bare_reason

_KEYS = {"type", "content"}
# What the spool has of a sample: whether it has a picture, where its value begins and ends in the file, and the CRC-32
# of these bytes; then comes its id in UTF-8. Of a sample that is held in memory there is nothing but the first two.
_RECORD = struct.Struct("<?qqI")
_HELD = (ABSENT, ABSENT, 0)


class InputChangedError(UserError):
    """An input file does not hold any more what was read from it at first."""


class _OpenInput:
    """An open `input.json`: `file` is what it is called, `path` where its bytes can be read, from their beginning."""

    def __init__(self, file: str, path: str) -> None:
        self.file, self.path = file, path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._opened = _version(os.fstat(self._descriptor))

    @property
    def is_unchanged(self) -> bool:
        """Whether nobody has written or replaced the file since it was opened. Raises OSError."""
        try:
            return _version(os.fstat(self._descriptor)) == self._opened == _version(os.stat(self.path))
        except FileNotFoundError:
            return False

    def read(self, begin: int, end: int) -> bytes:
        """Return its bytes from a place to another, or as far as it goes. Any thread may call it. Raises OSError."""
        data = os.pread(self._descriptor, end - begin, begin)
        while len(data) < end - begin and (
            more := os.pread(self._descriptor, end - begin - len(data), begin + len(data))
        ):
            data += more  # the system gives 2 GB at once, and less where a signal came
        return data

    def items(self, sample_id: str, begin: int, end: int, checksum: int) -> tuple[Item, ...]:
        """Return the items of a sample. Any thread may call it. Raises OSError, InputChangedError."""
        data = self.read(begin, end)
        if zlib.crc32(data) != checksum:
            remedy = "put the file back as it was, and start the same command again"
            raise InputChangedError(f"sample {sample_id!r} was changed since it was read", remedy, where=self.file)
        sample = parse_sample(Checker(self.file, [], sample_id), json.loads(data), may_be_empty=False)
        assert sample is not None, "these very bytes were a sample before"
        return sample.items

    def close(self) -> None:
        """Close the file: no items can be read any more."""
        os.close(self._descriptor)
        self._descriptor = -1


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class StoredId(str):
    """The id of a stored sample, which knows its row among some ids: nobody who asks those has to look for it."""

    __slots__ = ("ids", "row")
    ids: StoredIds
    row: int

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Return what copies and pickles are made of: the text alone, and not all ids."""
        return str, (str(self),)


class StoredSample(Sample):
    """A sample whose items lie in its file: they are read, and made anew, each time.

    What reads them raises OSError, or InputChangedError where the file was overwritten.
    """

    __slots__ = ("_input", "_record")
    _input: _OpenInput
    _record: bytes

    def __init__(self, sample_id: str, record: bytes, source: _OpenInput) -> None:
        _set_id(self, sample_id)
        _set_record(self, record)
        _set_input(self, source)

    @property
    def items(self) -> tuple[Item, ...]:
        """Its items in file order."""
        _, begin, end, checksum = _RECORD.unpack_from(self._record)
        return self._input.items(self.id, begin, end, checksum)

    @property
    def has_image(self) -> bool:
        """Whether a picture belongs to the sample."""
        return self._record[0] != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sample) and (self.id, self.items) == (other.id, other.items)

    __hash__ = Sample.__hash__


# A sample is made each time that anybody asks for it: this takes a third of the time of `object.__setattr__`.
_set_id = Sample.__dict__["id"].__set__
_set_record, _set_input = (StoredSample.__dict__[name].__set__ for name in StoredSample.__slots__[::-1])


class StoredIds(Sequence[str]):
    """The ids of stored samples in their order; each is made when it is asked for."""

    def __init__(self, places: array[int], spool: RecordSpool) -> None:
        self._places, self._spool = places, spool
        self._index: IdIndex | None = None

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return Selection(self, range(len(self))[index])
        if index < 0:
            index += len(self)
        return self.named(index, self._spool.read(self._places[index]))

    def __len__(self) -> int:
        return len(self._places)

    @property
    def by_hash(self) -> IdIndex:
        """Finds their rows, among those that there are when it is asked for."""
        if self._index is None or len(self._index) < len(self):
            self._index = IdIndex(self)
        return self._index

    def named(self, row: int, record: bytes) -> str:
        """Return the id of a row, whose record is at hand."""
        found = StoredId(record[_RECORD.size :], "utf-8", "surrogatepass")
        found.ids, found.row = self, row
        return found


class StoredSamples(Sequence[Sample]):
    """Samples in file order, then those that were added: each is made when it is asked for.

    `ids` are their ids in the same order, `spool` has what is known of each.
    """

    def __init__(self, source: _OpenInput, spool: RecordSpool) -> None:
        self._input, self.spool = source, spool
        self._places = array("q")
        self._pictured = bytearray()  # whether each has a picture
        self._held: dict[int, Sample] = {}  # by row, what has more than a file's place
        self.ids = StoredIds(self._places, self.spool)

    def store(self, sample: Sample, begin: int, end: int) -> None:
        """Add a sample that stands in the file, from one byte to another."""
        self._add(sample, begin, end, zlib.crc32(self._input.read(begin, end)))

    def hold(self, sample: Sample) -> None:
        """Add a sample, and keep it as it is."""
        self._held[len(self)] = sample
        self._add(sample, *_HELD)

    def _add(self, sample: Sample, begin: int, end: int, checksum: int) -> None:
        record = _RECORD.pack(sample.has_image, begin, end, checksum)
        self._places.append(self.spool.append(record + sample.id.encode("utf-8", "surrogatepass")))
        self._pictured.append(sample.has_image)

    def place(self, row: int) -> tuple[int, int] | None:
        """Where the sample of a row begins and ends in the file; None for no row, or for a sample that is held."""
        if row == ABSENT or row in self._held:
            return None
        _, begin, end, _ = _RECORD.unpack_from(self.spool.read(self._places[row]))
        return begin, end

    def only(self, rows: Sequence[int]) -> StoredSamples:
        """Some of the samples, as if there were no others."""
        part = StoredSamples(self._input, self.spool)
        for row in rows:
            if row in self._held:
                part._held[len(part)] = self._held[row]
            part._places.append(self._places[row])
            part._pictured.append(self._pictured[row])
        return part

    def has_picture(self, row: int) -> bool:
        """Whether a picture belongs to the sample of a row; the sample is not made."""
        return self._pictured[row] != 0

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Selection[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Selection[Sample]:
        if isinstance(index, slice):
            return Selection(self, range(len(self))[index])
        if index < 0:
            index += len(self)
        if index in self._held:
            return self._held[index]
        record = self.spool.read(self._places[index])
        return StoredSample(self.ids.named(index, record), record, self._input)

    def __len__(self) -> int:
        return len(self._places)


def with_picture(samples: Sequence[Sample], pictured: bool = True) -> Selection[Sample]:
    """Those of the samples that a picture belongs to, or those without; of stored ones none is made."""
    whole = Selection.of(samples)
    if isinstance(whole.entries, StoredSamples):
        has_picture = whole.entries.has_picture
        return whole.that(has_picture(place) == pictured for place in whole.places)
    return whole.that(sample.has_image == pictured for sample in whole)


class _ById(Mapping[str, Sample]):
    """The samples of an input, by their ids."""

    def __init__(self, samples: StoredSamples) -> None:
        self._samples, self._index = samples.only(range(len(samples))), samples.ids.by_hash

    def __getitem__(self, sample_id: str) -> Sample:
        row = self._index.row(sample_id)
        if row == ABSENT:
            raise KeyError(sample_id)
        return self._samples[row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._samples.ids)

    def __len__(self) -> int:
        return len(self._samples)


@dataclass(frozen=True)
class StoredInput:
    """What is valid in an `input.json`, in file order, and all that is wrong with the rest.

    `path` is where the bytes can be read again that it was made of, until it is closed.
    """

    samples: StoredSamples
    errors: tuple[ContestError, ...]
    path: Path

    @property
    def valid(self) -> Mapping[str, Sample]:
        """The samples by their ids, as they are now."""
        return _ById(self.samples)


@contextmanager
def stored_input(path: str | PathLike[str], folder: Path | None = None) -> Iterator[StoredInput]:
    """Read `input.json` as `read_input_lenient` does, for the same samples and errors, but leave the items in the file.

    They can be read until the end of the context; what is known of very many is in an anonymous file in `folder`, or
    else in memory. Of a pipe, which gives its bytes once, they are in an anonymous file
    among the system's temporary ones. Only of a file with errors all is in memory for a moment. A sample with more in
    its items than is asked for is held as it is; so are all of a file that is written or replaced while it is read.

    Raises ContestFileError (no JSON), OSError.
    """
    file = fspath(path)
    with contextlib.ExitStack() as stack:
        is_plain = os.path.isfile(file) or not os.path.exists(file)
        read_from = file if is_plain else stack.enter_context(_copied(file))
        try:
            source = _OpenInput(file, read_from)
        except OSError:
            read_input_lenient(file)  # which says what is wrong
            raise
        stack.callback(source.close)
        yield _read(source, RecordSpool(folder))


@contextmanager
def _copied(file: str) -> Iterator[str]:
    """Copy all that a pipe gives into an anonymous file; return where that can be read. Raises ContestFileError."""
    checker = Checker(file, [])
    with contextlib.ExitStack() as stack:
        try:
            copy = stack.enter_context(tempfile.TemporaryFile())
            with open(file, "rb") as stream:
                shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as error:
            raise checker.fatal(Code.FILE_UNREADABLE, bare_reason(error)) from error
        yield f"/proc/self/fd/{copy.fileno()}"


def _read(source: _OpenInput, spool: RecordSpool) -> StoredInput:
    """Read all samples: when this is over, nothing has their items any more."""
    checker, of_samples = Checker(source.file, []), Checker(source.file, [])
    samples, places = StoredSamples(source, spool), array("q")
    for sample_id, value in pairs_of(checker, None, places, source.path):
        of_samples.sample_id = sample_id
        usable = check_id(of_samples, sample_id)
        sample = parse_sample(of_samples, value, may_be_empty=False)
        if usable and sample is not None:
            if all(item.keys() == _KEYS for item in value):
                samples.store(sample, *places)
            else:
                samples.hold(sample)
        del places[:]
    errors: tuple[ContestError, ...] = ()
    if checker.errors or of_samples.errors or samples.ids.by_hash.has_repeated():
        samples, errors = _read_again(source, samples)
    if not source.is_unchanged:
        whole = read_input_lenient(source.file, source.path)
        samples, errors = StoredSamples(source, spool), whole.errors
        for sample in whole.valid.values():
            samples.hold(sample)
    return StoredInput(samples, errors, Path(source.path))


def _read_again(source: _OpenInput, found: StoredSamples) -> tuple[StoredSamples, tuple[ContestError, ...]]:
    """What is valid in a file that has errors, whose sound entries were found, and these errors."""
    rows = {sample.id: row for row, sample in enumerate(found)}  # of the last entry of each id
    whole = read_input_lenient(source.file, source.path)
    samples = StoredSamples(source, found.spool)
    for sample_id, sample in whole.valid.items():
        if (place := found.place(rows.get(sample_id, ABSENT))) is None:
            samples.hold(sample)
        else:
            samples.store(sample, *place)
    return samples, whole.errors
