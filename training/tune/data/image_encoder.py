"""Pictures of records to VQGAN codes, by worker processes, into the cache."""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from contest.console import say
from contest.errors import MAX_PRINTED_ERRORS, Code, ContestError, ContestFileError
from contest.pictures import decode_picture, resolve_picture
from contest.shards import ROWS_IN_A_GROUP, is_shard, read_pictures
from contest.shares import WHOLE, Share
from contest.worker_pool import WorkerKilledError, in_workers
from errors import bare_reason
from models.gpu_settings import prepare_gpu
from models.pixels import to_pixels
from models.vqgan import VQGAN, load_vqgan
from models.vqgan.loading import read_vqgan_config
from models.weights import file_sha256, find_weights
from training.tune.bars import bar
from training.tune.data.cache_folder import locked
from training.tune.data.codes_cache import IN_A_FILE, Codes, CodesCache, Encoded, PictureKey
from training.tune.data.external_shards import TAR
from training.tune.data.parquet_shards import read_column
from training.tune.data.records import Record, TrainingDataError
from training.tune.data.table import RecordTable
from training.tune.data.tar_shards import read_members

AT_ONCE = 32  # pictures a worker decodes and the network encodes together
LOOKED_UP_AT_ONCE = 1024
MAX_ERRORS = 1000

Picture = TypeVar("Picture")
Result = TypeVar("Result")
Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that has no codes yet, and the sample that needs it: its id, and its number in the table.

    `name`: what the picture is called in its folder or tar shard, or the column that it stands in.
    """

    key: PictureKey
    sample_id: str
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture's digest, and its pixels `[3, side, side]` in [0, 1] unless codes for that content are known."""

    key: PictureKey
    digest: bytes
    pixels: Pixels | None


@dataclass(frozen=True, slots=True)
class Done(Generic[Picture]):
    """What came of a chunk: pictures, errors of those that can not be used, and flaws of those that can be seen."""

    pictures: list[Picture]
    errors: list[ContestError]
    flaws: list[ContestError]


def picture_path(folder: str, record: Record) -> str:
    """Path of the file, or of the shard, that a record's picture lies in; `folder` is the task folder's path."""
    assert record.picture is not None
    return f"{folder}/{record.picture if record.shard is None else record.shard}"


class PictureEncoder:
    """One VQGAN for pictures of the side that a RUDOLPH takes, and the cache of its codes.

    Args:
        vqgan_folder: the VQGAN's `config.json` and weights. The network is loaded when the first picture without known
            codes is met: text tasks need none.
        codes_per_side: codes along a side of a picture, as the RUDOLPH that is trained takes them.
        vocabulary: how many codes that RUDOLPH knows.
        cache: the cache folder.
        workers: processes that decode pictures, and encode them where `device` is the CPU; 0: this process does it.
        device: where the network runs.
        share: of the pictures, those that `fill` encodes; other hosts encode the others.

    """

    def __init__(
        self,
        vqgan_folder: Path,
        codes_per_side: int,
        vocabulary: int,
        cache: Path,
        workers: int = 0,
        device: str = "cpu",
        share: Share = WHOLE,
    ) -> None:
        self.vqgan_folder = vqgan_folder
        self.codes_per_side = codes_per_side
        self.length = codes_per_side**2
        self.vocabulary = vocabulary
        self.folder = cache
        self.workers = workers
        self.device = torch.device(device)
        self.share = share

    def __reduce__(self) -> tuple[type[PictureEncoder], tuple[Path, int, int, Path]]:
        # For a worker, which has no workers and leaves the GPU to this process.
        return PictureEncoder, (self.vqgan_folder, self.codes_per_side, self.vocabulary, self.folder)

    @cached_property
    def side(self) -> int:
        """Height and width in pixels of the pictures that the VQGAN encodes."""
        return self.codes_per_side * read_vqgan_config(self.vqgan_folder / "config.json").factor

    @cached_property
    def cache(self) -> CodesCache:
        """The cache of this VQGAN's codes."""
        return CodesCache(self.folder, file_sha256(find_weights(self.vqgan_folder)), self.side, self.length)

    @cached_property
    def vqgan(self) -> VQGAN:
        """The network, in float32. Rounded convolutions would choose other codes, so a GPU is told not to round."""
        if self.device.type == "cuda":
            prepare_gpu(torch.device("cuda", torch.cuda.current_device()))
        return load_vqgan(self.vqgan_folder, self.device)

    def fill(self, table: RecordTable, name: str) -> None:
        """Encode the table's pictures that have no codes yet; `name` is what the progress bar says.

        What is done is kept, however it ends. Processes with the same cache folder take turns. A picture that is
        damaged but can be seen is used, and named on the standard error.
        Raises ContestFileError with every picture that can not be used, after the others are done; `TrainingDataError`
        for a VQGAN that does not fit the RUDOLPH; OSError for a cache that can not be written or a worker that died.
        """
        if not table.has_pictures:
            return
        self._require_codes()
        with locked(self.folder / "codes.lock"):
            self.cache.prepare()
            errors, flaws = list[ContestError](), list[ContestError]()
            numbers = array("I")  # four bytes a record: a list of what is wanted would be hundreds
            for chunk in _batches(range(len(table))):
                found, bad = self._wanted(table, chunk)
                numbers.extend(wanted.number for wanted in found)
                errors += bad
            with bar(total=len(numbers), desc=f"encode {name}", unit=" pictures", leave=False) as shown:
                for done in self._encoded(self._chunks(table, numbers)):
                    self.cache.add(done.pictures)
                    errors += done.errors
                    flaws += done.flaws
                    shown.update(len(done.pictures) + len(done.errors))
                    if len(errors) >= MAX_ERRORS:
                        break
        self.__dict__.pop("vqgan", None)  # the training needs the memory
        _print_flaws(flaws)
        if errors:
            raise ContestFileError(errors)

    def codes(self, folder: str, record: Record) -> Codes | None:
        """Codes of a record's picture, `[length]`; None for a record without one. `folder`: of the record's table.

        Raises `TrainingDataError` if the cache has none: `fill` was not called, or the cache was damaged since.
        """
        if record.picture is None:
            return None
        path = picture_path(folder, record)
        codes = self.cache.codes(path, IN_A_FILE if record.row is None else record.row)
        if codes is None:
            raise TrainingDataError(
                f"{self.cache.path}: no codes for {path}, sample {record.id!r}; delete the file and start again"
            )
        return codes

    def _require_codes(self) -> None:
        codes = read_vqgan_config(self.vqgan_folder / "config.json").n_embed
        if codes > self.vocabulary:
            raise TrainingDataError(
                f"{self.vqgan_folder}: makes codes below {codes}; the RUDOLPH takes codes below {self.vocabulary}: "
                "take the VQGAN that belongs to it"
            )

    def _wanted(self, table: RecordTable, numbers: Iterable[int]) -> tuple[list[Wanted], list[ContestError]]:
        """Pictures of some records that have no codes, each once, and what is wrong with other pictures' files."""
        found: dict[PictureKey, Wanted] = {}
        errors: list[ContestError] = []
        for number in numbers:
            record = table.record(number)
            if record.picture is not None and (self.share.is_whole or self.share.takes_key(_shared_by(record))):
                try:
                    key = _key(table.folder, record)
                except ContestError as error:
                    errors.append(error)
                else:
                    found.setdefault(key, Wanted(key, record.id, number, record.picture))
        return [found[key] for key in self.cache.unknown(list(found))], errors

    def _chunks(self, table: RecordTable, numbers: Iterable[int]) -> Iterator[list[Wanted]]:
        """Pictures that are decoded together. Asked again just before: another record may have had the same picture."""
        for batch in _batches(numbers):
            yield from _cut(self._wanted(table, batch)[0])

    def _encoded(self, chunks: Iterable[Sequence[Wanted]]) -> Iterator[Done[Encoded]]:
        if not self.workers:
            for chunk in chunks:
                yield self.encode(self.decode(chunk))
        elif self.device.type == "cpu":
            yield from self._in_workers(_decode_and_encode, chunks)
        else:
            for decoded in self._in_workers(PictureEncoder.decode, chunks):
                yield self.encode(decoded)

    def _in_workers(
        self, work: Callable[[PictureEncoder, Sequence[Wanted]], Result], chunks: Iterable[Sequence[Wanted]]
    ) -> Iterator[Result]:
        """Yield what worker processes make of the chunks, in the order in which they get done."""
        remedy = "with less memory set data.workers=0"
        try:
            yield from in_workers(
                work, self, chunks, self.workers, waiting=2, if_killed=remedy, in_order=False, set_up=_one_thread
            )
        except WorkerKilledError as error:
            raise ChildProcessError(f"a worker that encodes pictures was killed; {remedy}") from error

    def decode(self, chunk: Sequence[Wanted]) -> Done[Decoded]:
        """Read and decode pictures (of one shard, or files); those of known content are not decoded."""
        done: Done[Decoded] = Done([], [], [])
        for wanted, found in _contents(chunk):
            if isinstance(found, ContestError):
                done.errors.append(found)
                continue
            digest = hashlib.sha256(found).digest()
            pixels = None
            if not self.cache.has(digest):
                try:
                    view = decode_picture(found, file=wanted.key.path, sample_id=wanted.sample_id)
                except ContestError as error:
                    done.errors.append(error)
                    continue
                if view.flaw is not None:
                    done.flaws.append(view.flaw)
                pixels = to_pixels(view.picture, self.side).numpy()
            done.pictures.append(Decoded(wanted.key, digest, pixels))
        return done

    def encode(self, decoded: Done[Decoded]) -> Done[Encoded]:
        """Encode what was decoded: the most probable codes."""
        pixels = [torch.from_numpy(picture.pixels) for picture in decoded.pictures if picture.pixels is not None]
        codes = iter(self._network(torch.stack(pixels)) if pixels else ())  # [pictures, length]
        encoded = [
            Encoded(picture.key, picture.digest, None if picture.pixels is None else next(codes))
            for picture in decoded.pictures
        ]
        return Done(encoded, decoded.errors, decoded.flaws)

    def _network(self, images: torch.Tensor) -> npt.NDArray[np.uint16]:
        with torch.inference_mode():
            codes = self.vqgan.encode(images.to(self.device)).cpu()  # [batch, length]
        return codes.numpy().astype(np.uint16)


def _print_flaws(flaws: Sequence[ContestError]) -> None:
    if flaws:
        count = f"{len(flaws)} pictures are" if len(flaws) > 1 else "1 picture is"
        say(f"warning: {count} damaged and used as far as it can be seen")
        for flaw in flaws[:MAX_PRINTED_ERRORS]:
            say(f"  {flaw}")
        if len(flaws) > MAX_PRINTED_ERRORS:
            say(f"  ... and {len(flaws) - MAX_PRINTED_ERRORS} more")


def _key(folder: str, record: Record) -> PictureKey:
    """Return where a record's picture lies. Raises ContestError for a path that is refused, or leads to no file."""
    path = picture_path(folder, record)
    if record.picture is not None and record.shard is None:
        resolve_picture(folder, record.picture, follow_links=True, sample_id=record.id)
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise ContestError(Code.PICTURE_MISSING, file=path, sample_id=record.id) from error
    except OSError as error:
        raise ContestError(Code.PICTURE_UNREADABLE, bare_reason(error), file=path, sample_id=record.id) from error
    if not stat.S_ISREG(status.st_mode):  # asked before opening: opening a pipe would wait for ever
        raise ContestError(Code.PICTURE_NOT_A_FILE, file=path, sample_id=record.id)
    row = IN_A_FILE if record.row is None else record.row
    return PictureKey(path, row, status.st_size, status.st_mtime_ns)


def _shared_by(record: Record) -> str:
    """What decides the share of a record's picture: its path, for rows of a shard the group that is read at once."""
    if record.row is None:
        return record.picture or ""
    return f"{record.shard}:{record.row // ROWS_IN_A_GROUP}"


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(numbers)
    while batch := list(islice(remaining, LOOKED_UP_AT_ONCE)):
        yield batch


def _cut(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Cut into chunks that are decoded together: of one shard, or of files."""
    for _, together in groupby(wanted, lambda one: None if one.key.row == IN_A_FILE else one.key.path):
        while chunk := list(islice(together, AT_ONCE)):
            yield chunk


def _contents(chunk: Sequence[Wanted]) -> Iterator[tuple[Wanted, bytes | ContestError]]:
    """Yield each picture's bytes, or what is wrong with it."""
    by_row = {wanted.key.row: wanted for wanted in chunk}
    if IN_A_FILE not in by_row:
        path = chunk[0].key.path
        for row, data in _in_shard(path, chunk[0].name, by_row):
            wanted = by_row[row]
            missing = ContestError(
                Code.PICTURE_MISSING, "the shard has no bytes of it", file=path, sample_id=wanted.sample_id
            )
            yield wanted, missing if data is None else data
        return
    for wanted in chunk:
        try:
            yield wanted, Path(wanted.key.path).read_bytes()
        except OSError as error:
            code = Code.PICTURE_UNREADABLE
            yield wanted, ContestError(code, bare_reason(error), file=wanted.key.path, sample_id=wanted.sample_id)


def _in_shard(path: str, name: str, rows: Collection[int]) -> Iterator[tuple[int, bytes | None]]:
    """Yield row and bytes of a shard's pictures: of a WebDataset, the project's own, or others' Parquet files."""
    if path.endswith(TAR):
        return read_members(path, rows)
    return read_pictures(path, rows) if is_shard(path) else read_column(path, name, rows)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _decode_and_encode(encoder: PictureEncoder, chunk: Sequence[Wanted]) -> Done[Encoded]:
    return encoder.encode(encoder.decode(chunk))
