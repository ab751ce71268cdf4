"""Pixels out of a picture's file, as published or as well as it can be seen.

Two ways to read a picture. `published` is what the organisers' code does: Pillow's `convert("RGB")`, which clips grey
of more than 8 bits, and no picture whose file is damaged. Otherwise such grey is scaled, and a damaged file is used as
far as it can be decoded. In both, alpha is dropped, not blended, the EXIF orientation is not applied, and of several
frames the first is taken.
"""

from __future__ import annotations

import ctypes
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from contest.errors import Code, ContestError
from contest.limits import FREE_PIXELS, MAX_PICTURE_PIXELS, PIXELS_A_SAMPLE
from contest.stand_ins import HEAD_BYTES, stand_in, stand_in_at
from errors import bare_reason

# Named, because Pillow would otherwise also try formats that start other programs (EPS) or that no camera writes.
# A telephone's multi-picture JPEG (MPO) opens as JPEG.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
USUAL_SCANS = 16  # of a progressive JPEG; each further scan goes over all pixels once more, and costs a few bytes

ErrorMaker: TypeAlias = Callable[..., ContestError]
"""Makes an error that says where it happened, of its kind and what was wrong: ContestError with its place given."""
Source: TypeAlias = Path | io.BytesIO

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_GREY = (127, 128)  # what libjpeg makes of pixels that are not there; CMYK is turned round afterwards
_BITS_PER_SAMPLE = 258  # TIFF's tag
_WEBP_PIXELS = (b"VP8 ", b"VP8L")
_WEBP_FILLING = 100_000
_BLOCK = 1 << 20
_MOST_BYTES = 8 * MAX_PICTURE_PIXELS  # four colours of 16 bits
_PILLOW = r"PIL\."
_SILENCE = ("ignore", None, Warning, re.compile(_PILLOW), 0)  # as `warnings.filterwarnings` keeps it


@dataclass(frozen=True, slots=True)
class View:
    """A picture as RGB, and what was wrong with its file though it can be seen; None if nothing was."""

    picture: Image.Image
    flaw: ContestError | None = None


@dataclass
class PixelBudget:
    """How many pixels may still be decoded of files that a stranger made: a picture of 10 kB may have 80 million.

    Counted and not timed, so that the same files give the same result on every machine. `decoded` counts what was.
    """

    left: int
    decoded: int = 0

    @classmethod
    def for_samples(cls, samples: int) -> PixelBudget:
        """Return what is enough for a picture of 1024 x 1024 a sample, and for much larger ones of few samples."""
        return cls(FREE_PIXELS + samples * PIXELS_A_SAMPLE)

    def take(self, pixels: int) -> bool:
        """Count a picture that is about to be decoded; False if that would be too much, and it is not to be."""
        if pixels > self.left:
            return False
        self.left -= pixels
        self.decoded += pixels
        return True


def decode(source: Source, error: ErrorMaker, *, published: bool = False, budget: PixelBudget | None = None) -> View:
    """Return the picture of a file. Any thread may call it.

    Raises ContestError: NOT_A_PICTURE, PICTURE_TOO_LARGE (known from the header, before decoding),
    PICTURES_TOO_LARGE_IN_ALL (for the budget), PICTURE_DAMAGED (if not `published`: less than half of it can be seen),
    PICTURE_UNREADABLE.
    """
    try:
        with _opened(source, error, budget) as picture:
            return _published(picture, error) if published else View(_seen(picture))
    except ContestError:
        raise
    except Exception as cause:  # decoders meet foreign bytes, and raise anything from struct.error to IndexError
        refusal = _refusal(cause, error, source)
        if published or refusal.code not in (Code.PICTURE_DAMAGED, Code.NOT_A_PICTURE):
            raise refusal from cause
        try:
            picture, missing = _decode_damaged(source, error, budget)
            rgb = _seen(picture)
        except ContestError:
            raise
        except Exception:
            raise refusal from cause  # the first attempt knows best what is wrong
        if 2 * missing > rgb.height:
            raise refusal from cause
    seen = "all of it" if not missing else f"{rgb.height - missing} of its {rgb.height} rows"
    return View(rgb, error(Code.PICTURE_DAMAGED, f"{refusal.message}; {seen} can be seen"))


def check_header(source: Source, error: ErrorMaker) -> None:
    """Read the header alone. Raises what `decode` does, but for damage that lies behind it."""
    try:
        with _opened(source, error, None):
            pass
    except ContestError:
        raise
    except Exception as cause:
        raise _refusal(cause, error, source) from cause


@contextmanager
def _opened(source: Source, error: ErrorMaker, budget: PixelBudget | None) -> Iterator[ImageFile.ImageFile]:
    """Open a picture whose size is allowed."""
    _quieten()
    if isinstance(source, io.BytesIO):
        source.seek(0)
    with Image.open(source, formats=PICTURE_FORMATS) as picture:
        assert isinstance(picture, ImageFile.ImageFile)
        width, height = picture.size
        scans = _scans(picture)
        pixels = width * height * max(1, scans // USUAL_SCANS)
        if pixels > MAX_PICTURE_PIXELS:
            often = f" in {scans} scans" if width * height <= MAX_PICTURE_PIXELS else ""
            most = f"at most {MAX_PICTURE_PIXELS} in all are allowed"
            raise error(Code.PICTURE_TOO_LARGE, f"{width} x {height} pixels{often}; {most}")
        if budget is not None and not budget.take(pixels):
            left = f"{budget.left} of {budget.left + budget.decoded} are left for all pictures"
            raise error(Code.PICTURES_TOO_LARGE_IN_ALL, f"{width} x {height} pixels, and {left}")
        yield picture


def _scans(picture: ImageFile.ImageFile) -> int:
    """How many times a JPEG's pixels are gone over; 0 for other formats."""
    if picture.format not in ("JPEG", "MPO") or picture.fp is None:
        return 0
    place, count, end = picture.fp.tell(), 0, b""
    picture.fp.seek(0)
    while block := picture.fp.read(_BLOCK):
        count += (end + block).count(b"\xff\xda")
        end = block[-1:]
    picture.fp.seek(place)
    return count


def _refusal(cause: Exception, error: ErrorMaker, source: Source) -> ContestError:
    """Name what Pillow raised, in words for people where the code does not say all."""
    match cause:
        case UnidentifiedImageError():  # its own text names an object
            held = stand_in_at(source) if isinstance(source, Path) else stand_in(source.getvalue()[:HEAD_BYTES])
            return (
                error(Code.NOT_A_PICTURE) if held is None else error(Code.NOT_A_PICTURE, held.what, remedy=held.remedy)
            )
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return error(Code.PICTURE_TOO_LARGE, bare_reason(cause))
        case OSError() if cause.errno is not None:  # the system's: those of Pillow have no number, and mean damage
            return error(Code.PICTURE_UNREADABLE, bare_reason(cause))
        case OSError() | SyntaxError():
            return error(Code.PICTURE_DAMAGED, bare_reason(cause))
        case _:
            return error(Code.PICTURE_DAMAGED, f"its bytes make no sense to the decoder ({bare_reason(cause)})")


# Damaged files.

_is_tolerant: ContextVar[bool] = ContextVar("is_tolerant", default=False)


class _Tolerance:
    """Pillow's switch for damaged files, on for the thread that looks at one and off for every other.

    Pillow has one for the whole process: with that, the pictures that other threads decode at the same moment would
    lose their lower halves without a word.
    """

    def __bool__(self) -> bool:
        return _is_tolerant.get()


_TOLERANCE = _Tolerance()


def _decode_damaged(source: Source, error: ErrorMaker, budget: PixelBudget | None) -> tuple[ImageFile.ImageFile, int]:
    """Decode what there is of a damaged file; return it and the number of rows that are missing."""
    ImageFile.LOAD_TRUNCATED_IMAGES = _TOLERANCE  # type: ignore[assignment]
    if isinstance(source, Path) and source.stat().st_size > _MOST_BYTES:
        raise ValueError("no picture is that large")
    data = source.getvalue() if isinstance(source, io.BytesIO) else source.read_bytes()
    token = _is_tolerant.set(True)
    try:
        # Decoded onto two grounds: where they show, there was nothing to decode.
        first, second = (_decode_onto(ground, data, error, budget) for ground in (0, 255))
    finally:
        _is_tolerant.reset(token)
    rows, others = (np.asarray(picture).reshape(picture.height, -1) for picture in (first, second))
    missing = (rows != others).any(axis=1)
    if first.format in ("JPEG", "MPO"):
        for grey in _JPEG_GREY:
            missing |= (rows == grey).all(axis=1)
    return first, int(missing.sum())


def _decode_onto(ground: int, data: bytes, error: ErrorMaker, budget: PixelBudget | None) -> ImageFile.ImageFile:
    if data.startswith(_PNG_SIGNATURE):
        data = _without_texts(data)
    elif data.startswith(b"RIFF"):
        data = _lengthened(data, ground)
    with _opened(io.BytesIO(data), error, budget) as picture:
        picture.im = Image.new(picture.mode, picture.size, ground).im
        picture.load()
        return picture


def _without_texts(data: bytes) -> bytes:
    """Return a PNG without all that its pixels don't need: Pillow reads no text and no profile of more than 1 MB."""
    kept, place = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4])  # length, name, content, checksum
        name = data[place + 4 : place + 8]
        if name[:1].isupper() or name == b"tRNS":  # a capital: without it the pixels can not be read
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _lengthened(data: bytes, filling: int) -> bytes:
    """Return a WebP with more than enough behind its pixels: its decoder refuses one that ends before they do.

    What it makes of the filling is noise, which is another one for another filling.
    """
    place = 12
    while data[place : place + 4] not in _WEBP_PIXELS and place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    content = data[place + 8 :] + bytes([filling]) * (_WEBP_FILLING + len(data))
    content += bytes(len(content) % 2)
    chunk = data[12 : place + 4] + len(content).to_bytes(4, "little") + content
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


# Modes.


def _published(picture: ImageFile.ImageFile, error: ErrorMaker) -> View:
    """Return what the published preprocessing makes of a picture, and what it loses by that."""
    rgb = picture.convert("RGB")
    if _is_deep(picture.mode):
        values = np.asarray(picture)
        if (_grey(picture) != values).any():
            message = f"grey from {values.min()} to {values.max()} is read as if white were 255, as published"
            return View(rgb, error(Code.PICTURE_CLIPPED, message))
    return View(rgb)


def _seen(picture: ImageFile.ImageFile) -> Image.Image:
    """Return a picture as RGB as a person would see it, alpha dropped."""
    picture.load()
    if _is_deep(picture.mode):
        return Image.fromarray(_grey(picture)).convert("RGB")
    return picture.convert("RGB")


def _is_deep(mode: str) -> bool:
    """Whether the values are grey of more than 8 bits, which `convert("RGB")` clips at 255."""
    return mode in ("I", "F") or mode.startswith("I;16")


def _grey(picture: ImageFile.ImageFile) -> npt.NDArray[np.uint8]:
    """Return grey of more than 8 bits as `[H, W]` of 8 bits.

    16 bits lose their lower 8. Of 32 bits and of fractions nothing says what is white: values up to 255 stay,
    fractions up to 1 are shares of white, values of 16 bits are taken for such, others are stretched to their extremes.
    """
    values = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        bits = getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]  # 12 in some TIFFs
        return (values >> max(0, bits - 8)).astype(np.uint8)
    if picture.mode == "I" and picture.format == "PPM":  # Pillow has scaled them to 16 bits
        return (values >> 8).astype(np.uint8)
    numbers = np.where(np.isfinite(values), values, 0).astype(np.float64)
    low, high = numbers.min(), numbers.max()
    if low < 0 or high > 65535:
        numbers = (numbers - low) / max(high - low, 1) * 255
    elif high > 255:
        numbers = numbers / 256
    elif picture.mode == "F" and high <= 1:
        numbers = numbers * 255
    return numbers.astype(np.uint8)


# What Pillow and libtiff say themselves.


def _quieten() -> None:
    """Keep Pillow's warnings and libtiff's to themselves: they name neither file nor sample, and our errors do both."""
    if _SILENCE not in warnings.filters:  # whoever catches warnings meanwhile puts older filters back
        warnings.filterwarnings("ignore", module=_PILLOW)
    _quieten_libtiff()


@cache
def _quieten_libtiff() -> None:
    """Take libtiff's handlers away, which write to descriptor 2 past Python. Where it is not found they stay."""
    try:
        mapped = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # no Linux
        return
    for path in {line.split(maxsplit=5)[5] for line in mapped if "libtiff" in line}:
        library = ctypes.CDLL(path)  # the one that Pillow has loaded
        for name in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
