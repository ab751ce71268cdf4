"""Lists and unpacks a submission's ZIP archive, trusting nothing in it.

What a hostile archive could do, and what stops it: names that leave the folder, links and devices (refused by name and
kind); bombs (declared sizes bounded before anything is written, written bytes counted); a list of entries that fills
the memory (bounded before it is read); entries that share their bytes (together they would hold more than the file).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from contest.errors import Code, ContestError, ContestFileError, quote
from contest.limits import (
    ARCHIVE_RATIO_FREE_BYTES,
    MAX_ARCHIVE_BYTES,
    MAX_ARCHIVE_DIRECTORY_BYTES,
    MAX_ARCHIVE_ENTRIES,
    MAX_ARCHIVE_RATIO,
    MAX_FILE_NAME_BYTES,
)
from contest.stand_ins import stand_in_at
from contest.writing import is_disk_full
from errors import bare_reason

MAX_PATH_BYTES = 1024
MAX_DEPTH = 32
FORMS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_CHUNK = 1 << 20
_ENCRYPTED = 0x1

# The records at the end of a ZIP archive (APPNOTE.TXT of PKWARE, 4.3.14 to 4.3.16).
_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large an archive may be: bytes packed and (separately) unpacked, and the number of its entries."""

    max_bytes: int = MAX_ARCHIVE_BYTES
    max_entries: int = MAX_ARCHIVE_ENTRIES
    max_ratio: int = MAX_ARCHIVE_RATIO
    ratio_free_bytes: int = ARCHIVE_RATIO_FREE_BYTES

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_entries, self.max_ratio) < 1 or self.ratio_free_bytes < 0:
            raise ValueError("bounds of an archive: at least one byte, one entry, and a ratio of 1")


CONTEST_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file or folder of an archive: its name without a closing slash, and its declared size unpacked."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What an archive declares to hold, and everything that is wrong with that."""

    packed_bytes: int
    entries: tuple[ArchiveEntry, ...]
    errors: tuple[ContestError, ...]

    @property
    def unpacked_bytes(self) -> int:
        """Sum of the declared sizes."""
        return sum(entry.size for entry in self.entries)


def list_archive(path: str | os.PathLike[str], bounds: Bounds = CONTEST_BOUNDS) -> Listing:
    """Return an archive's entries and all that is wrong with them; nothing is unpacked.

    A file that is no archive at all, or whose list of entries is out of bounds, has no entries and one error.
    """
    file = os.fspath(path)
    try:
        with open(file, "rb") as stream:
            packed = os.fstat(stream.fileno()).st_size
            _require_bounded_directory(stream, packed, file, bounds)
        infos = _infos(file)
    except ContestError as error:
        return Listing(0, (), (error,))
    except OSError as error:
        return Listing(0, (), (ContestError(Code.ARCHIVE_UNREADABLE, bare_reason(error), file=file),))
    errors = [*_total_errors(file, packed, infos, bounds), *_name_errors(file, infos)]
    errors += [error for info in infos for error in _entry_errors(file, info)]
    entries = tuple(ArchiveEntry(info.filename.rstrip("/"), info.file_size) for info in infos)
    return Listing(packed, entries, tuple(errors))


def _infos(file: str) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ContestError(Code.ARCHIVE_UNREADABLE, bare_reason(error), file=file) from error


def unpack(path: str | os.PathLike[str], folder: Path, bounds: Bounds = CONTEST_BOUNDS) -> Listing:
    """Unpack an archive into a folder, which is made and must hold nothing; return what it held.

    Files become readable by everyone, programs executable, and nothing else of their modes or owners is kept.
    Raises ContestFileError with all that `list_archive` finds, before anything is written; ARCHIVE_UNREADABLE for
    damaged contents, ARCHIVE_BOMB for more bytes than declared, DISK_FULL, WRITE_FAILED. What was written stays.
    """
    listing = list_archive(path, bounds)
    if listing.errors:
        raise ContestFileError(listing.errors)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ContestFileError([ContestError(Code.WRITE_FAILED, "the folder to unpack into is not empty", file=folder)])
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _unpack_entry(archive, info, folder)
    except ContestError as error:
        raise ContestFileError([error]) from error
    except OSError as error:
        code = Code.DISK_FULL if is_disk_full(error) else Code.WRITE_FAILED
        raise ContestFileError([ContestError(code, f"not unpacked: {bare_reason(error)}", file=folder)]) from error
    return listing


def _unpack_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / info.filename
    (target if info.is_dir() else target.parent).mkdir(mode=0o755, parents=True, exist_ok=True)
    if info.is_dir():
        return
    mode = 0o755 if _mode(info) & 0o111 else 0o644
    # Neither links nor earlier entries can stand where it goes: the names are all different, and links are refused.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as stream:
        written = 0
        for chunk in _chunks(archive, info):
            written += len(chunk)
            if written > info.file_size:
                message = f"{quote(info.filename)} holds more than the {info.file_size} bytes that it declares"
                raise ContestError(Code.ARCHIVE_BOMB, message, file=archive.filename)
            stream.write(chunk)
    os.chmod(target, mode)  # whatever the umask


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error) as error:
        message = f"{quote(info.filename)} is damaged: {error}"
        raise ContestError(Code.ARCHIVE_UNREADABLE, message, file=archive.filename) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        message = f"{quote(info.filename)} is damaged: it claims to lie before the archive's beginning"
        raise ContestError(Code.ARCHIVE_UNREADABLE, message, file=archive.filename) from error


def _total_errors(file: str, packed: int, infos: list[zipfile.ZipInfo], bounds: Bounds) -> Iterator[ContestError]:
    unpacked = sum(info.file_size for info in infos)
    for what, size in (("packed", packed), ("unpacked", unpacked)):
        if size > bounds.max_bytes:
            message = f"{size} bytes {what}; at most {bounds.max_bytes} are allowed"
            yield ContestError(Code.ARCHIVE_TOO_LARGE, message, file=file)
    if unpacked > max(bounds.ratio_free_bytes, packed * bounds.max_ratio):
        message = f"{packed} bytes would become {unpacked}; at most {bounds.max_ratio} times as many are allowed"
        yield ContestError(Code.ARCHIVE_BOMB, message, file=file)
    held = sum(info.compress_size for info in infos)
    if held > packed:
        message = f"its entries claim {held} bytes of a file of {packed}: some share their bytes"
        yield ContestError(Code.ARCHIVE_BOMB, message, file=file)


def _name_errors(file: str, infos: list[zipfile.ZipInfo]) -> Iterator[ContestError]:
    """Yield what is wrong with each name alone, then the names that get into each other's way."""
    places: dict[PurePosixPath, bool] = {}  # whether a folder is there
    for info in infos:
        problem = name_problem(info.orig_filename)
        if problem is not None:
            message = f"the name {quote(info.orig_filename)} {problem}"
            yield ContestError(Code.ARCHIVE_NAME_REFUSED, message, file=file)
            continue
        place = PurePosixPath(info.filename)
        clash = place in places and not (info.is_dir() and places[place])
        clash |= any(places.get(parent) is False for parent in place.parents)
        if clash:
            yield ContestError(Code.ARCHIVE_NAME_TWICE, f"{quote(info.filename)} stands where another does", file=file)
            continue
        places[place] = info.is_dir()
        for parent in place.parents[:-1]:
            places.setdefault(parent, True)


def name_problem(name: str) -> str | None:
    """Return why a file's name in an archive is refused, or None: it is plain, relative and stays in its folder."""
    path = PurePosixPath(name)
    parts = name.rstrip("/").split("/")
    if not path.parts:
        return "names no file"
    if path.is_absolute():
        return "is absolute"
    if ".." in parts:
        return "holds '..'"
    if "" in parts or "." in parts:
        return "holds an empty or '.' part"
    if "\\" in name or not name.isprintable():
        return "holds a backslash or a control character"
    if len(parts) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} folders deep"
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        return "is not Unicode"
    if max(sizes) > MAX_FILE_NAME_BYTES or sum(sizes) + len(parts) > MAX_PATH_BYTES:
        return "is too long"
    return None


def _entry_errors(file: str, info: zipfile.ZipInfo) -> Iterator[ContestError]:
    name = quote(info.filename)
    kind = stat.S_IFMT(_mode(info))
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "no plain file"
        yield ContestError(Code.ARCHIVE_NOT_A_FILE, f"{name} is {what}", file=file)
    if info.flag_bits & _ENCRYPTED:
        yield ContestError(Code.ARCHIVE_FORM, f"{name} is encrypted", file=file)
    elif info.compress_type not in FORMS:
        allowed = " or ".join(FORMS.values())
        yield ContestError(
            Code.ARCHIVE_FORM, f"{name} is packed by method {info.compress_type}, not {allowed}", file=file
        )


def _mode(info: zipfile.ZipInfo) -> int:
    """Unix mode of an entry; 0 where its maker recorded none."""
    return info.external_attr >> 16


def _require_bounded_directory(stream: BinaryIO, packed: int, file: str, bounds: Bounds) -> None:
    """Raise ContestError if the list of entries is longer than may be held in memory, before it is."""
    start = max(0, packed - _END.size - _LONGEST_COMMENT)
    stream.seek(start)
    tail = stream.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or place + _END.size > len(tail):
        if (found := stand_in_at(file)) is not None:
            raise ContestError(Code.ARCHIVE_UNREADABLE, found.what, file=file, remedy=found.remedy)
        raise ContestError(Code.ARCHIVE_UNREADABLE, "it is no ZIP archive, or was cut off", file=file)
    _, _, _, _, count, size, _, _ = _END.unpack_from(tail, place)
    locator = start + place - _LOCATOR64.size
    if locator >= 0:
        stream.seek(locator)
        mark, _, offset, _ = _LOCATOR64.unpack(stream.read(_LOCATOR64.size))
        # Some readers look where the locator points to, others right before it: both must be within bounds.
        for place64 in (offset, locator - _END64.size) if mark == b"PK\6\7" else ():
            stream.seek(min(max(place64, 0), packed))
            record = stream.read(_END64.size)
            if len(record) == _END64.size and record.startswith(b"PK\6\6"):
                fields = _END64.unpack(record)
                count, size = max(count, fields[7]), max(size, fields[8])
    if count > bounds.max_entries or size > MAX_ARCHIVE_DIRECTORY_BYTES:
        message = f"it lists {count} entries in {size} bytes; at most {bounds.max_entries} are allowed"
        raise ContestError(Code.ARCHIVE_BOMB, message, file=file)
