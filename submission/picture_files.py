"""Pictures from and to files, in threads that overlap the model's work, and the pixels between files and networks."""

from __future__ import annotations

import io
import os
import zlib
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from contest.decoding import View
from contest.errors import ContestError
from contest.items import Sample
from contest.pictures import resolve_picture, view_picture
from contest.writing import write_bytes
from models.pixels import to_pixels
from submission.devices import use_threads
from submission.squares import is_oblong, other_squares

# The organisers' container has three processors, and one is the model's. The thread that encodes pictures waits for
# these two, or they for it.
THREADS = 2
NEUTRAL_GREY = 127
READ_AHEAD = 512  # pictures; as the network takes them, one is half a megabyte


@dataclass(frozen=True)
class FlawedPicture:
    """What came of a picture that can be seen though something is wrong with it: its pixels or its codes, and that."""

    content: Tensor
    flaw: ContestError


@dataclass(frozen=True)
class BlackPicture:
    """What came of an all-black picture that counts as none, and what was wrong with its file, if anything was."""

    flaw: ContestError | None


# Pixels `[3, side, side]`, or why there are none.
PictureRead: TypeAlias = Tensor | FlawedPicture | ContestError


@dataclass(eq=False)
class PictureFiles:
    """Reads pictures before they are asked for, and writes them behind the caller's back.

    Attributes:
        root: the folder that paths of input pictures are relative to.
        side: height and width in pixels that input pictures are brought to.
        quality: of the JPEGs written.
        published: whether pictures are read as the published code does; otherwise as well as they can be seen.
        oblong: ids of samples whose picture was read, and has more to show than its centre square.

    """

    root: Path
    side: int
    quality: int
    published: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        # Torch counts its own threads for each thread that calls it: these must not take what is the model's.
        self._pool = ThreadPoolExecutor(THREADS, "pictures", use_threads, (1,))
        self._to_come: Sequence[Sample] = ()  # from the first that is not begun
        self._reading: dict[str, Future[PictureRead]] = {}
        self.oblong: set[str] = set()

    def __enter__(self) -> PictureFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def expect(self, samples: Sequence[Sample]) -> None:
        """Begin to read the pictures of samples that will be asked for in this order."""
        self._to_come = samples
        self._read_ahead()

    def read(self, samples: Sequence[Sample]) -> Generator[PictureRead, None, None]:
        """Yield what came of each sample's picture, the last one if it has several: one can take half a second.

        Who closes the generator before its end has the rest of these samples left unread.
        """
        reading = []
        for sample in samples:
            if sample.id not in self._reading:
                if self._to_come and self._to_come[0].id == sample.id:
                    self._to_come = self._to_come[1:]
                self._reading[sample.id] = self._pool.submit(self._read, sample)
            reading.append(self._reading.pop(sample.id))
        self._read_ahead()
        try:
            for future in reading:
                yield future.result()
        finally:
            for future in reading:
                future.cancel()  # of no effect where it was read

    def squares(self, samples: Sequence[Sample]) -> list[list[Tensor]]:
        """Read the samples' pictures again: what their centre squares leave out, see `other_squares`.

        Raises ContestError for a picture that can not be read any more.
        """
        return list(self._pool.map(self._squares, samples))

    def stop_reading(self) -> None:
        """Begin to read nothing more: no picture will be asked for any more."""
        self._to_come = ()
        for future in self._reading.values():
            future.cancel()
        self._reading.clear()

    def write(self, path: str | Path, rgb: NDArray[np.uint8]) -> Future[int]:
        """Write a picture `[H, W, 3]` as a JPEG, whole or not at all; the future is its CRC-32, or a ContestError."""
        return self._pool.submit(self._write, path, rgb)

    def _read_ahead(self) -> None:
        while self._to_come and len(self._reading) < READ_AHEAD:
            sample, self._to_come = self._to_come[0], self._to_come[1:]
            self._reading[sample.id] = self._pool.submit(self._read, sample)

    def _read(self, sample: Sample) -> PictureRead:
        try:
            view = self._view(sample)
        except ContestError as error:
            return error
        if is_oblong(view.picture.size):
            self.oblong.add(sample.id)
        pixels = to_pixels(view.picture, self.side)
        return pixels if view.flaw is None else FlawedPicture(pixels, view.flaw)

    def _squares(self, sample: Sample) -> list[Tensor]:
        return other_squares(self._view(sample).picture, self.side)

    def _view(self, sample: Sample) -> View:
        item = max(index for index, entry in enumerate(sample.items) if entry.type == "image")
        content = sample.items[item].content
        path = resolve_picture(self.root, content, follow_links=True, sample_id=sample.id, item=item)
        return view_picture(path, sample_id=sample.id, item=item, published=self.published)

    def _write(self, path: str | Path, rgb: NDArray[np.uint8]) -> int:
        data = to_jpeg(rgb, self.quality)
        write_bytes(path, data)
        return zlib.crc32(data)


@dataclass(frozen=True)
class QueuedImage:
    """A picture that is being written: whose it is, its codes `[I]`, of how many it is the best, and its CRC-32."""

    sample: Sample
    codes: Tensor
    num_images: int
    crc: Future[int]


class WriteQueue:
    """Pictures on their way to the disk, in order."""

    def __init__(self) -> None:
        self._queue: deque[QueuedImage] = deque()

    def add(self, queued: QueuedImage) -> None:
        """Wait for a picture later on."""
        self._queue.append(queued)

    def take(self, leave: int) -> list[QueuedImage]:
        """Return those that are done, in order; wait until at most `leave` are not."""
        done = []
        while self._queue and (len(self._queue) > leave or self._queue[0].crc.done()):
            self._queue[0].crc.exception()  # waits; what went wrong is for the caller to ask
            done.append(self._queue.popleft())
        return done


def bytes_of(path: str | Path) -> bytes:
    """What a file holds. Raises OSError."""
    with open(path, "rb") as file:
        return file.read()


def crc_of(path: str | Path) -> int | None:
    """CRC-32 of a file; None if there is none."""
    return zlib.crc32(bytes_of(path)) if os.path.isfile(path) else None


def is_black(pixels: Tensor) -> bool:
    """Whether every value is zero: how the published inference sees that a sample has no picture."""
    return not bool(pixels.any())


def to_jpeg(rgb: NDArray[np.uint8], quality: int) -> bytes:
    """A picture `[H, W, 3]` -> the bytes of a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def grey_picture(side: int) -> NDArray[np.uint8]:
    """A plain grey picture `[side, side, 3]`, for a sample that could not be drawn."""
    return np.full((side, side, 3), NEUTRAL_GREY, dtype=np.uint8)
