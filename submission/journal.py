"""What a run has already done, one JSON line a sample and phase, so that a killed run goes on. Knows no networks.

The first line is the run's configuration; the others are `{"phase": "answer", "id": ..., "text": ...}` and
`{"phase": "draw", "id": ..., "codes": [...], "crc32": ..., "draws": ...}`: the picture's codes, the checksum of its
file, and of how many draws it is the best; of several records of a sample the last one counts. A line cut off by a kill
is dropped, and its sample is done again. Of several processes each has a journal of its own, and all of them
are read by every later run, however many processes that has.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from submission.progress import say


class JournalInUseError(RuntimeError):
    """Another run is writing the same journal."""


class JournalWriteError(OSError):
    """A record can not be written. The journal's file keeps the records before it, whole."""


class Journal:
    """An open journal: `answers` (text by sample id), `drawings` (int32 codes `[I]`), `crcs`, `draws` of pictures.

    Nothing is read or changed before `resume`. `changed` names the parts of the configuration in which an earlier
    journal, then replaced, differed; None if this is its continuation or there was none. `broken` is set by the first
    record that could not be written: none is written after it. Raises JournalInUseError, or OSError if the file can not
    be opened.
    """

    def __init__(self, folder: Path, process: int = 0) -> None:
        self.path = folder / journal_name(process)
        self.answers: dict[str, str] = {}
        self.drawings: dict[str, Tensor] = {}
        self.crcs: dict[str, int] = {}
        self.draws: dict[str, int] = {}
        self.changed: tuple[str, ...] | None = None
        self.broken = False
        self._file = self.path.open("a+b", buffering=0)  # creates it, keeps what is there
        self._size = 0  # of the records that are whole
        try:
            self._lock()
        except BaseException:
            self._file.close()
            raise

    @property
    def resumed(self) -> bool:
        """Whether something was already done."""
        return bool(self.answers or self.drawings)

    def resume(self, configuration: Mapping[str, Any]) -> None:
        """Take over what earlier runs of this configuration did, or begin anew.

        Raises JournalWriteError if there is no room for a first line, OSError if a journal can not be read.
        """
        first = _first_line(configuration)
        self._file.seek(0)
        records, self._size = _sound_records(self._file.read())
        self._file.truncate(self._size)
        if records and records[0] != first:
            earlier = records[0].get("configuration", {})
            self.changed = tuple(name for name in configuration if earlier.get(name) != first["configuration"][name])
            records, self._size = [], 0
            self._file.truncate(0)
        if not records:
            self._write(first)
        for path in sorted(self.path.parent.glob(journal_name("*"))):
            if path != self.path:
                others, _ = _sound_records(path.read_bytes())
                if others and others[0] == first:
                    self._take(others[1:])
        self._take(records[1:])

    def add_answer(self, sample_id: str, text: str) -> None:
        """Record a sample's answer. Raises JournalWriteError."""
        self.answers[sample_id] = text
        self._write({"phase": "answer", "id": sample_id, "text": text})

    def add_drawing(self, sample_id: str, codes: Tensor, crc: int, draws: int = 1) -> None:
        """Record the codes `[I]` of the picture of a sample, its file's CRC-32, and of how many draws it is the best.

        Raises JournalWriteError.
        """
        self.drawings[sample_id] = codes.to("cpu", torch.int32)
        self.crcs[sample_id] = crc
        self.draws[sample_id] = draws
        self._write({"phase": "draw", "id": sample_id, "codes": codes.tolist(), "crc32": crc, "draws": draws})

    def sync(self) -> None:
        """Force what was recorded onto the disk: it survives the machine's end too. Raises JournalWriteError."""
        if not self.broken:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._break(error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise JournalInUseError(f"{self.path}: another run is writing here; wait for it, or stop it") from error
            say(f"{self.path} can not be locked ({error.strerror}): take care that no other run writes here")

    def _take(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            if record["phase"] == "answer":
                self.answers[record["id"]] = record["text"]
            else:
                self.drawings[record["id"]] = torch.tensor(record["codes"], dtype=torch.int32)
                self.crcs[record["id"]] = record["crc32"]
                self.draws[record["id"]] = record["draws"]

    def _write(self, record: Mapping[str, Any]) -> None:
        """Give a line to the kernel: it survives the end of this process, whatever ends it."""
        if self.broken:
            return
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):  # a full disk takes what it has room for, and raises at the next write only
                self._file.write(line[written:])
        except OSError as error:
            raise self._break(error) from error
        self._size += len(line)

    def _break(self, error: OSError) -> JournalWriteError:
        self.broken = True
        self._file.truncate(self._size)
        return JournalWriteError(error.errno, f"{self.path} can not be written: {error.strerror}")


def journal_name(process: int | str) -> str:
    """File name of the journal of one of several processes, 0 being the first or the only one; "*" for all."""
    return f"journal{process}.jsonl" if process == "*" else f"journal.{process}.jsonl" if process else "journal.jsonl"


class Follower:
    """Reads the answers and the names of the pictures that another process journals, each record once."""

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        self.path = path
        self.answers: dict[str, str] = {}
        self.pictured: set[str] = set()
        self._configuration = configuration
        self._read = 0

    def catch_up(self) -> None:
        """Read what came since the last time. Nothing, as long as the journal is of another configuration."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            records, size = _sound_records(file.read())
        if not self._read and (not records or records[0] != _first_line(self._configuration)):
            return
        for record in records[0 if self._read else 1 :]:
            if record["phase"] == "answer":
                self.answers[record["id"]] = record["text"]
            else:
                self.pictured.add(record["id"])
        self._read += size


def _first_line(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {"configuration": json.loads(json.dumps(configuration))}


def _sound_records(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the records up to the first line that is cut off or damaged, and the number of their bytes."""
    records: list[dict[str, Any]] = []
    size = 0
    for line, record in _parsed(data):
        records.append(record)
        size += len(line)
    return records, size


def _parsed(data: bytes) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for line in data.splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n") or not _is_sound(record):
            return
        yield line, record


def _is_sound(record: object) -> bool:
    match record:
        case {"configuration": dict()} | {"phase": "answer", "id": str(), "text": str()}:
            return True
        case {"phase": "draw", "id": str(), "codes": list(codes), "crc32": int(), "draws": int()}:
            return all(isinstance(code, int) for code in codes)
    return False
