"""The samples of an `input.json` that stay in it: of each one its id, its kind and its place are held in memory.

A sample's items are read from the file when they are wanted, so that memory does not grow with the length of texts.
"""

from __future__ import annotations

import json
import os
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

from contest.checking import Checker, check_id, parse_sample
from contest.errors import ContestError
from contest.items import Item, Sample
from contest.reading import ParseResult, read_input_lenient
from contest.streaming import pairs_of
from errors import UserError

_KEYS = {"type", "content"}


class InputChangedError(UserError):
    """An input file does not hold any more what was read from it at first."""


class _OpenInput:
    """An open `input.json`, and where each sample's value stands in it, with the CRC-32 of its bytes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: array[int] = array("q")  # of each row: where it begins, where it ends
        self._checksums: array[int] = array("I")
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._opened = _version(os.fstat(self._descriptor))

    def seal(self) -> bool:
        """Note what stands at each place; return whether that is what a reading since the opening found there: nobody
        has written or replaced the file meanwhile. Raises OSError."""
        self._checksums = array("I", (zlib.crc32(self._bytes(row)) for row in range(len(self.places) // 2)))
        try:
            return _version(os.fstat(self._descriptor)) == self._opened == _version(os.stat(self.file))
        except FileNotFoundError:
            return False

    def items(self, sample_id: str, row: int) -> tuple[Item, ...]:
        """Return the items of a sample. Any thread may call it. Raises OSError, InputChangedError."""
        data = self._bytes(row)
        if zlib.crc32(data) != self._checksums[row]:
            remedy = "put the file back as it was, and start the same command again"
            raise InputChangedError(f"sample {sample_id!r} was changed since it was read", remedy, where=self.file)
        sample = parse_sample(Checker(self.file, [], sample_id), json.loads(data), may_be_empty=False)
        assert sample is not None, "these very bytes were a sample before"
        return sample.items

    def close(self) -> None:
        """Close the file: no items can be read any more."""
        os.close(self._descriptor)
        self._descriptor = -1

    def _bytes(self, row: int) -> bytes:
        begin, end = self.places[2 * row : 2 * row + 2]
        data = os.pread(self._descriptor, end - begin, begin)
        while len(data) < end - begin and (
            more := os.pread(self._descriptor, end - begin - len(data), begin + len(data))
        ):
            data += more  # the system gives 2 GB at once, and less where a signal came
        return data


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class StoredSample(Sample):
    """A sample whose items lie in its file: they are read, and made anew, each time.

    What reads them raises OSError, or InputChangedError where the file was overwritten.
    """

    __slots__ = ("_has_image", "_input", "_row")
    _has_image: bool
    _input: _OpenInput
    _row: int

    def __init__(self, sample_id: str, has_image: bool, source: _OpenInput, row: int) -> None:
        for name, value in (("id", sample_id), ("_has_image", has_image), ("_input", source), ("_row", row)):
            object.__setattr__(self, name, value)

    @property
    def items(self) -> tuple[Item, ...]:
        """Its items in file order."""
        return self._input.items(self.id, self._row)

    @property
    def has_image(self) -> bool:
        """Whether a picture belongs to the sample."""
        return self._has_image

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sample) and (self.id, self.items) == (other.id, other.items)

    __hash__ = Sample.__hash__


@contextmanager
def stored_input(path: str | PathLike[str]) -> Iterator[ParseResult[Sample]]:
    """Read `input.json` as `read_input_lenient` does, for the same samples and errors, but leave the items in the file.

    They can be read until the end of the context. Only of a file with errors all is in memory for a moment. A sample
    with more in its items than is asked for is held as it is; so are all of a pipe, which gives its bytes once, and of
    a file that is written or replaced while it is read.

    Raises ContestFileError (no JSON), OSError.
    """
    if not os.path.isfile(path):  # if it is nothing to read, this says so
        yield read_input_lenient(path)
        return
    try:
        source = _OpenInput(fspath(path))
    except OSError:
        read_input_lenient(path)  # which says what is wrong
        raise
    try:
        yield _read(source)
    finally:
        source.close()


def _read(source: _OpenInput) -> ParseResult[Sample]:
    """Read all samples: when this is over, nothing has their items any more."""
    checker, of_samples = Checker(source.file, []), Checker(source.file, [])
    samples: dict[str, Sample] = {}
    entries = 0
    for row, (sample_id, value) in enumerate(pairs_of(checker, None, source.places)):
        entries, of_samples.sample_id = row + 1, sample_id
        usable = check_id(of_samples, sample_id)
        sample = parse_sample(of_samples, value, may_be_empty=False)
        if usable and sample is not None:
            plain = all(item.keys() == _KEYS for item in value)
            samples[sample_id] = StoredSample(sample_id, sample.has_image, source, row) if plain else sample
    errors: tuple[ContestError, ...] = ()
    if checker.errors or of_samples.errors or entries > len(samples):
        sound = read_input_lenient(source.file)
        samples, errors = {key: samples.get(key, sample) for key, sample in sound.valid.items()}, sound.errors
    return ParseResult(samples, errors) if source.seal() else read_input_lenient(source.file)
