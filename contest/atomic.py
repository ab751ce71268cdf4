"""Replaces files whole, and locks them. Raises OSError alone: callers say what that means to them."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

SECONDS_BETWEEN_TRIES = 0.02


@contextmanager
def replacing(path: str | os.PathLike[str], *, sync: bool = False) -> Iterator[Path]:
    """Yield the name of a new file in the folder of `path`, which takes its place if all goes well, else is removed.

    Readers see the old file or the new one, never half of one. With `sync` the new one is on the disk before it takes
    the place, so that a power cut leaves one of the two as well. Raises OSError.
    """
    with replacing_name(Path(_named(path)), sync=sync) as temporary:
        yield Path(temporary)


@contextmanager
def replacing_name(path: str | os.PathLike[str], *, sync: bool = False) -> Iterator[str]:
    """As `replacing`, for very many files: Python keeps room for each part of any path that was ever a `Path`."""
    target = _named(path)
    # No secure temporary file: those are readable by their owner alone, and the scorer is another. The name does not
    # grow with the target's, which may have all the bytes that a name may have.
    temporary = os.path.join(os.path.dirname(target), f".{uuid4().hex}.tmp")
    try:
        yield temporary
        if sync:
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def copied_or_linked(source: Path, target: Path, *, follow_symlinks: bool = True) -> None:
    """Put a file into another place as well: a hard link, which takes no room, or else a copy. Raises OSError."""
    with replacing(target) as temporary:
        try:
            os.link(source, temporary, follow_symlinks=follow_symlinks)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(source, temporary, follow_symlinks=follow_symlinks)


@contextmanager
def locked(
    path: str | os.PathLike[str], *, seconds: float = math.inf, on_wait: Callable[[], object] | None = None
) -> Iterator[None]:
    """Hold the lock of a folder, or of a file, which is made where it is absent. Otherwise as `lock`."""
    file = _named(path)
    flags = os.O_RDONLY if os.path.isdir(file) else os.O_RDWR | os.O_CREAT
    descriptor = os.open(file, flags, 0o666)
    try:
        lock(descriptor, seconds=seconds, on_wait=on_wait)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, seconds: float = math.inf, on_wait: Callable[[], object] | None = None) -> None:
    """Take the lock of an open file or folder, which one process has at a time, until that is closed.

    The system lets go of it when the process ends, however it ends.

    Args:
        descriptor: the open file's number.
        seconds: how long another process is waited for.
        on_wait: called once if there is something to wait for.

    Raises:
        TimeoutError: another process kept it.
        OSError: the file system has no locks.

    """
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (BlockingIOError, PermissionError) as error:  # the second: file systems over a network
            if time.monotonic() >= until:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds its lock") from error
        if on_wait is not None:
            on_wait()
            on_wait = None
        time.sleep(SECONDS_BETWEEN_TRIES)


def _named(path: str | os.PathLike[str]) -> str:
    """Return a path that the system has a form for: Python's own error for others is a ValueError."""
    name = os.fspath(path)
    try:
        usable = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), ascii(name))
    return name
