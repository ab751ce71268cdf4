"""Finds and opens the pictures of samples, refusing what is none. Knows nothing of what is done with their pixels."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from PIL import Image, UnidentifiedImageError

from contest.errors import Code, ContestError, quote
from contest.items import Sample
from contest.limits import MAX_PICTURE_PIXELS
from contest.stand_ins import HEAD_BYTES, stand_in, stand_in_at

# Named, because Pillow would otherwise also try formats that start other programs (EPS) or that no camera writes.
# A telephone's multi-picture JPEG (MPO) opens as JPEG.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")

_ErrorMaker: TypeAlias = Callable[..., ContestError]


def resolve_picture(
    root: str | os.PathLike[str],
    content: str,
    *,
    follow_links: bool = False,
    sample_id: str | None = None,
    item: int | None = None,
) -> Path:
    """Return the absolute path of the picture that an image item names, relative to `root` (its JSON file's folder).

    Whether the file exists is not asked. `sample_id` and `item` only tell the error where it happened. `follow_links`
    is for a folder that its owner laid out, where `images` may be a link to another disk; in a folder that somebody
    else filled (a submission's output), a link out of it would read files that are none of theirs.
    Raises ContestError (PICTURE_PATH_REFUSED) for a path that is empty, absolute, holds '..' or NUL, or leads outside
    `root` through a link that is not to be followed.
    """

    def refused(problem: str) -> ContestError:
        return ContestError(
            Code.PICTURE_PATH_REFUSED, f"the path {quote(content)} {problem}", sample_id=sample_id, item=item
        )

    relative = PurePosixPath(content)
    if not relative.parts:
        raise refused("names no file")
    if "\0" in content:
        raise refused("holds NUL")
    if relative.is_absolute():
        raise refused("is absolute")
    if ".." in relative.parts:
        raise refused("holds '..'")
    real_root = Path(os.path.realpath(root))
    try:
        real = Path(os.path.realpath(real_root / relative))
    except UnicodeEncodeError as error:
        raise refused("can not be a file name") from error
    if not follow_links and not real.is_relative_to(real_root):
        raise refused(f"leads outside {real_root} through a link")
    return real


def open_picture(path: str | os.PathLike[str], *, sample_id: str | None = None, item: int | None = None) -> Image.Image:
    """Return the picture as RGB, decoded to its end; the file is closed.

    Other modes become RGB by Pillow's `convert("RGB")`, as the published preprocessing has it: alpha is dropped, not
    blended, and the EXIF orientation is not applied. Of several frames the first is taken.

    Raises ContestError: PICTURE_MISSING, PICTURE_NOT_A_FILE, PICTURE_UNREADABLE, PICTURE_EMPTY, NOT_A_PICTURE,
    PICTURE_TOO_LARGE (more than MAX_PICTURE_PIXELS; known from the header, before decoding), PICTURE_DAMAGED.
    """
    return _examine(Path(path), sample_id, item, decode=True)


def decode_picture(data: bytes, *, file: str | os.PathLike[str], sample_id: str | None = None) -> Image.Image:
    """Return the picture that a file's bytes hold, as `open_picture` does; `file` only tells the error where they lay.

    Raises ContestError: PICTURE_EMPTY, NOT_A_PICTURE, PICTURE_TOO_LARGE, PICTURE_DAMAGED.
    """

    def error(code: Code, message: str = "") -> ContestError:
        return ContestError(code, message, file=file, sample_id=sample_id)

    if not data:
        raise error(Code.PICTURE_EMPTY)
    return _decoded(io.BytesIO(data), error, decode=True)


def probe_picture(path: str | os.PathLike[str]) -> None:
    """Read the picture's header alone: quick, but damage behind it stays unseen. Raises what `open_picture` does."""
    _examine(Path(path), None, None, decode=False)


def check_pictures(
    samples: Iterable[Sample], root: str | os.PathLike[str], *, decode: bool = True
) -> tuple[ContestError, ...]:
    """Return all that is wrong with the samples' pictures, in order. Each file is examined once, each use reported.

    With `decode=False` only headers are read: quicker, but damage behind the header stays unseen.
    """
    found: dict[Path, ContestError | None] = {}
    errors = []
    for sample in samples:
        for index, entry in enumerate(sample.items):
            if entry.type != "image":
                continue
            try:
                path = resolve_picture(root, entry.content, sample_id=sample.id, item=index)
            except ContestError as error:
                errors.append(error)
                continue
            if path not in found:
                found[path] = _error_of(path, decode=decode)
            problem = found[path]
            if problem is not None:
                errors.append(
                    ContestError(problem.code, problem.message, file=problem.file, sample_id=sample.id, item=index)
                )
    return tuple(errors)


def _error_of(path: Path, *, decode: bool) -> ContestError | None:
    try:
        _examine(path, None, None, decode=decode)
    except ContestError as error:
        return error
    return None


def _examine(path: Path, sample_id: str | None, item: int | None, *, decode: bool) -> Image.Image:
    """Return the picture as RGB if `decode`, else its (closed) header. Raises what `open_picture` does."""

    def error(code: Code, message: str = "") -> ContestError:
        return ContestError(code, message, file=path, sample_id=sample_id, item=item)

    try:
        status = path.stat()
    except FileNotFoundError as cause:
        raise error(Code.PICTURE_MISSING) from cause
    except (OSError, ValueError) as cause:
        raise error(Code.PICTURE_UNREADABLE, str(cause)) from cause
    if not stat.S_ISREG(status.st_mode):  # asked before opening: opening a pipe would wait for ever
        raise error(Code.PICTURE_NOT_A_FILE)
    if status.st_size == 0:
        raise error(Code.PICTURE_EMPTY)

    return _decoded(path, error, decode=decode)


def _decoded(source: Path | io.BytesIO, error: _ErrorMaker, *, decode: bool) -> Image.Image:
    try:
        with Image.open(source, formats=PICTURE_FORMATS) as picture:
            width, height = picture.size
            if width * height <= MAX_PICTURE_PIXELS:
                return picture.convert("RGB") if decode else picture
    except Exception as cause:  # decoders meet foreign bytes, and raise anything from struct.error to IndexError
        found = stand_in_at(source) if isinstance(source, Path) else stand_in(source.getvalue()[:HEAD_BYTES])
        if found is not None and isinstance(cause, UnidentifiedImageError):
            place = error(Code.NOT_A_PICTURE)
            raise ContestError(
                place.code,
                found.what,
                file=place.file,
                sample_id=place.sample_id,
                item=place.item,
                remedy=found.remedy,
            ) from cause
        raise error(_code_of(cause), f"{type(cause).__name__}: {cause}") from cause
    raise error(Code.PICTURE_TOO_LARGE, f"{width} x {height} pixels; at most {MAX_PICTURE_PIXELS} in all are allowed")


def _code_of(cause: Exception) -> Code:
    """Name what Pillow raised: only the operating system's errors have a number, its own OSErrors mean damage."""
    if isinstance(cause, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return Code.PICTURE_TOO_LARGE
    if isinstance(cause, UnidentifiedImageError):
        return Code.NOT_A_PICTURE
    if isinstance(cause, OSError) and cause.errno is not None:
        return Code.PICTURE_UNREADABLE
    return Code.PICTURE_DAMAGED
