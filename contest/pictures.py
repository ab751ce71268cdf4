"""Finds and opens the pictures of samples, refusing what is none."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from functools import partial
from itertools import accumulate
from pathlib import Path, PurePosixPath

from PIL import Image

from contest.decoding import ErrorMaker, PixelBudget, View, check_header, decode
from contest.errors import Code, ContestError, quote
from contest.items import Sample
from errors import bare_reason


def resolve_picture(
    root: str | os.PathLike[str],
    content: str,
    *,
    follow_links: bool = False,
    inner_parents: bool = False,
    sample_id: str | None = None,
    item: int | None = None,
) -> Path:
    """Return the absolute path of the picture that an image item names, relative to `root` (its JSON file's folder).

    Whether the file exists is not asked. `sample_id` and `item` only tell the error where it happened. `follow_links`
    is for a folder that its owner laid out, where `images` may be a link to another disk; in a folder that somebody
    else filled (a submission's output), a link out of it would read files that are none of theirs.
    `inner_parents` takes a path with '..', as the organisers' scripts do, if neither a part of it nor a link leads out.
    Raises ContestError (PICTURE_PATH_REFUSED) for a path that is empty, absolute, holds '..' or NUL, or leads outside
    `root` through a link that is not to be followed.
    """

    def refused(problem: str) -> ContestError:
        message = f"the path {quote(content)} {problem}"
        return ContestError(Code.PICTURE_PATH_REFUSED, message, sample_id=sample_id, item=item)

    relative = PurePosixPath(content)
    if not relative.parts:
        raise refused("names no file")
    if "\0" in content:
        raise refused("holds NUL")
    if relative.is_absolute():
        raise refused("is absolute")
    goes_up = ".." in relative.parts
    if goes_up and not inner_parents:
        raise refused("holds '..'")
    if goes_up and min(accumulate(-1 if part == ".." else 1 for part in relative.parts)) < 0:
        raise refused("leads outside its folder through '..'")
    real_root = Path(os.path.realpath(root))
    try:
        real = Path(os.path.realpath(real_root / relative))
    except UnicodeEncodeError as error:
        raise refused("can not be a file name") from error
    if (goes_up or not follow_links) and not real.is_relative_to(real_root):
        raise refused(f"leads outside {real_root} through a link")
    return real


def view_picture(
    path: str | os.PathLike[str],
    *,
    sample_id: str | None = None,
    item: int | None = None,
    published: bool = False,
    budget: PixelBudget | None = None,
) -> View:
    """Return the picture as RGB, and what is wrong with it though it can be seen; the file is closed.

    `contest.decoding` tells how it is read. `sample_id` and `item` only tell an error where it happened; `budget` is
    for pictures that a stranger made.

    Raises ContestError: PICTURE_MISSING, PICTURE_NOT_A_FILE, PICTURE_UNREADABLE, PICTURE_EMPTY, NOT_A_PICTURE,
    PICTURE_TOO_LARGE (more than MAX_PICTURE_PIXELS; known from the header, before decoding),
    PICTURES_TOO_LARGE_IN_ALL, PICTURE_DAMAGED.
    """
    error = partial(ContestError, file=path, sample_id=sample_id, item=item)
    return decode(_plain_file(path, error), error, published=published, budget=budget)


def open_picture(path: str | os.PathLike[str], *, sample_id: str | None = None, item: int | None = None) -> Image.Image:
    """Return the picture of `view_picture` alone, as it can be seen. Raises what that does."""
    return view_picture(path, sample_id=sample_id, item=item).picture


def open_published(
    path: str | os.PathLike[str], *, sample_id: str | None = None, budget: PixelBudget | None = None
) -> Image.Image:
    """Return the picture as the organisers' code has it. Raises what `view_picture` does; a damaged one is refused."""
    return view_picture(path, sample_id=sample_id, published=True, budget=budget).picture


def decode_picture(data: bytes, *, file: str | os.PathLike[str], sample_id: str | None = None) -> View:
    """Return the picture that a file's bytes hold, as `view_picture` does; `file` only tells an error where they lay.

    Raises ContestError: PICTURE_EMPTY, NOT_A_PICTURE, PICTURE_TOO_LARGE, PICTURE_DAMAGED.
    """
    error = partial(ContestError, file=file, sample_id=sample_id)
    if not data:
        raise error(Code.PICTURE_EMPTY)
    return decode(io.BytesIO(data), error)


def probe_picture(path: str | os.PathLike[str]) -> None:
    """Read the picture's header alone: quick, but damage behind it stays unseen. Raises what `view_picture` does."""
    error = partial(ContestError, file=path)
    check_header(_plain_file(path, error), error)


def check_pictures(samples: Iterable[Sample], root: str | os.PathLike[str]) -> tuple[ContestError, ...]:
    """Return all that is wrong with the samples' pictures, in order. Each file is examined once, each use reported.

    They are read as the organisers' code reads them, within a budget of pixels by the number of samples.
    """
    samples = tuple(samples)
    budget = PixelBudget.for_samples(len(samples))
    problems: dict[Path, ContestError | None] = {}
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
            if path not in problems:
                problems[path] = _error_of(path, budget)
            problem = problems[path]
            if problem is not None:
                errors.append(
                    ContestError(problem.code, problem.message, file=problem.file, sample_id=sample.id, item=index)
                )
    return tuple(errors)


def _error_of(path: Path, budget: PixelBudget) -> ContestError | None:
    try:
        open_published(path, budget=budget)
    except ContestError as error:
        return error
    return None


def _plain_file(path: str | os.PathLike[str], error: ErrorMaker) -> Path:
    """Return the path of a file that can be opened and has bytes. Raises ContestError."""
    path = Path(path)
    try:
        status = path.stat()
    except FileNotFoundError as cause:
        raise error(Code.PICTURE_MISSING) from cause
    except (OSError, ValueError) as cause:
        raise error(Code.PICTURE_UNREADABLE, bare_reason(cause)) from cause
    if not stat.S_ISREG(status.st_mode):  # asked before opening: opening a pipe would wait for ever
        raise error(Code.PICTURE_NOT_A_FILE)
    if status.st_size == 0:
        raise error(Code.PICTURE_EMPTY)
    return path
