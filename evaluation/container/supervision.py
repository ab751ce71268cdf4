"""Watches a started submission: its clock, what it writes, what it says."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import IO

from evaluation.container.limits import RunLimits

POLL_SECONDS = 0.2
BLOCK_UNIT = 512  # of st_blocks, whatever the file system's own blocks are
FULL_BYTES = 64 * 1024  # of free room: with less, a picture or the predictions could not be written
READER_PATIENCE_SECONDS = 5.0  # for the last words of a process that has ended
_CHUNK = 1 << 16
_LEAST_BLOCK = 4096


@unique
class Stop(Enum):
    """Why a submission does not run any more."""

    EXITED = "it ended"
    TIME = "its time was up"
    OUTPUT = "it wrote too much"
    DISK = "the disk was full"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a folder holds: bytes, and files and folders. Counting ends where a bound is passed."""

    bytes: int
    files: int

    def exceeds(self, limits: RunLimits) -> bool:
        """Whether it is more than the limits allow."""
        return self.bytes > limits.output or self.files > limits.output_files


def usage(folder: Path, limits: RunLimits) -> Usage:
    """Measure a folder that may change meanwhile. Links are counted and not followed; a sparse file counts in full.

    Room that a file takes beyond its size counts too (less than a block is rounding), and of a file system of its own
    all that it holds, also what has no name any more. What can not be looked at, folders without end in each other for
    one, is taken for more than is allowed.
    """
    total = files = 0
    if os.path.ismount(folder):
        space = os.statvfs(folder)
        held = (space.f_blocks - space.f_bfree) * space.f_frsize
        if held > limits.output:
            return Usage(held, files)
    pending = [os.fspath(folder)]
    while pending:
        place = pending.pop()
        try:
            for entry in entries(place):
                files += 1
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(os.path.join(place, entry.name))
                    total += _beyond(status, 0)
                else:
                    total += status.st_size + _beyond(status, status.st_size)
                if total > limits.output or files > limits.output_files:
                    return Usage(total, files)
        except (FileNotFoundError, NotADirectoryError):  # it was removed, renamed or replaced while we looked
            continue
        except OSError:
            return Usage(limits.output + 1, files)
    return Usage(total, files)


def _beyond(status: os.stat_result, size: int) -> int:
    """Room that a file takes beyond its size: by `fallocate`, or in attributes."""
    beyond = status.st_blocks * BLOCK_UNIT - size
    return beyond if beyond > max(status.st_blksize, _LEAST_BLOCK) else 0


def disk_is_full(folder: Path) -> bool:
    """Whether nothing more can be written where a folder lies: no room, or no more files."""
    try:
        space = os.statvfs(folder)
    except OSError:  # it was replaced, which is looked at elsewhere
        return False
    return space.f_bavail * space.f_frsize < FULL_BYTES or (space.f_files > 0 and space.f_favail == 0)


def entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder. Raises NotADirectoryError for a link: it could lead to the organisers' own files."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with os.scandir(descriptor) as entries:
            yield from entries
    finally:
        os.close(descriptor)


class BoundedLog:
    """Keeps the beginning and the end of what a process says, at most `most` bytes, and counts the rest."""

    def __init__(self, most: int) -> None:
        self._head_size, self._tail_size = (most + 1) // 2, most // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.said = 0

    def add(self, chunk: bytes) -> None:
        """Take what was said next."""
        self.said += len(chunk)
        room = self._head_size - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if rest and self._tail_size:
            self._tail.append(rest[-self._tail_size :])
            self._tail_bytes += len(self._tail[-1])
            while self._tail_bytes - len(self._tail[0]) >= self._tail_size:
                self._tail_bytes -= len(self._tail.popleft())

    def clear(self) -> None:
        """Forget what was said."""
        self._head.clear()
        self._tail.clear()
        self._tail_bytes = self.said = 0

    @property
    def left_out(self) -> int:
        """Number of bytes that were said and not kept."""
        return self.said - len(self._head) - min(self._tail_bytes, self._tail_size)

    @property
    def content(self) -> bytes:
        """What was kept, with a line that says how much is missing in between."""
        tail = b"".join(self._tail)[-self._tail_size :] if self._tail_size else b""
        gap = f"\n[... {self.left_out} bytes left out ...]\n".encode() if self.left_out else b""
        return bytes(self._head) + gap + tail


def supervise(
    process: subprocess.Popen[bytes],
    output: Path,
    limits: RunLimits,
    log: BoundedLog,
    kill: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> Stop:
    """Wait for the end of a process whose standard output is a pipe; call `kill` when a limit is passed.

    However it ends, `kill` is called and the process is waited for: nothing is left running.
    """
    assert process.stdout is not None
    reader = threading.Thread(target=_drain, args=(process.stdout, log), daemon=True)
    try:
        reader.start()
        end = clock() + limits.seconds
        while True:
            try:
                process.wait(max(0.0, min(POLL_SECONDS, end - clock())))
                return Stop.EXITED
            except subprocess.TimeoutExpired:
                if clock() >= end:
                    return Stop.TIME
                if usage(output, limits).exceeds(limits):
                    return Stop.OUTPUT
                if disk_is_full(output):
                    return Stop.DISK
    finally:
        kill()
        process.wait()
        # A process that was left behind may hold the pipe open: its words are not waited for.
        if reader.ident is not None:
            reader.join(READER_PATIENCE_SECONDS)
        if not reader.is_alive():
            process.stdout.close()


def _drain(pipe: IO[bytes], log: BoundedLog) -> None:
    descriptor = pipe.fileno()
    while chunk := os.read(descriptor, _CHUNK):
        log.add(chunk)
