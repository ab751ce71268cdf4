"""Records that are kept in an anonymous file, and not in memory: written once, read again by their place."""

from __future__ import annotations

import os
import struct
import tempfile
import weakref
from pathlib import Path

_LENGTH = struct.Struct("<I")  # before each record
HELD_BYTES = 1 << 15  # that are written together
BLOCK_BYTES = 1 << 14  # that are read together: mostly the next record is asked for next
LEAST_FREE_BYTES = 1 << 30  # of its disk: the rest is for what is written to stay


class RecordSpool:
    """Records of bytes, each with a place from 0 on; none is ever changed.

    The newest are in memory, the others in a file without a name in a folder: of a few there is no file. Without a
    folder all are in memory; so are those that its disk has no room for. One thread may append, any thread may read;
    whoever is interrupted in here by an exception loses no more than the record at hand.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._descriptor = -1
        self._tail = (0, bytearray())  # what is not in the file, and where it begins; replaced in one step
        self._block = (0, b"")  # what was read last, and where it begins

    @property
    def size(self) -> int:
        """Bytes of all records, with their lengths."""
        begin, tail = self._tail
        return begin + len(tail)

    def keep_in(self, folder: Path) -> None:
        """Have what is in memory, and all that comes, in a file in this folder, unless it is in one already."""
        if self._descriptor < 0:
            self._folder = folder
            self._write_if_worthwhile()

    def append(self, record: bytes) -> int:
        """Add a record; return its place."""
        place = self.size
        self._tail[1].extend(_LENGTH.pack(len(record)) + record)
        self._write_if_worthwhile()
        return place

    def read(self, place: int) -> bytes:
        """Return the record at a place. Raises OSError."""
        begin, tail = self._tail
        if place >= begin:
            at = place - begin
            (length,) = _LENGTH.unpack_from(tail, at)
            return bytes(tail[at + _LENGTH.size : at + _LENGTH.size + length])
        first, block = self._block
        at = place - first
        if not 0 <= at <= len(block) - _LENGTH.size:
            first, block, at = place, self._read(place, min(BLOCK_BYTES, begin - place)), 0
        (length,) = _LENGTH.unpack_from(block, at)
        end = at + _LENGTH.size + length
        if end > len(block):  # it goes on behind the block
            size = max(min(BLOCK_BYTES, begin - place), end - at)
            first, block, at, end = place, self._read(place, size), 0, end - at
        self._block = (first, block)
        return block[at + _LENGTH.size : end]

    def _read(self, place: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, place)
        while len(data) < size:  # after a signal, or of more than the system gives at once
            more = os.pread(self._descriptor, size - len(data), place + len(data))
            if not more:
                raise OSError(f"a temporary file ends at byte {place + len(data)}")
            data += more
        return data

    def _write_if_worthwhile(self) -> None:
        begin, tail = self._tail
        if self._folder is None or len(tail) < HELD_BYTES:
            return
        try:
            if self._descriptor < 0:
                self._open(self._folder)
            room = os.fstatvfs(self._descriptor)
            if room.f_bavail * room.f_frsize < LEAST_FREE_BYTES + len(tail):
                raise OSError("little room is left")
            written = 0
            while written < len(tail):
                written += os.pwrite(self._descriptor, tail[written:], begin + written)
        except OSError:  # memory takes what the disk does not
            self._folder = None
            return
        self._tail = (begin + len(tail), bytearray())

    def _open(self, folder: Path) -> None:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
