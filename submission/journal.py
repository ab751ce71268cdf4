"""What a run has already done, one JSON line a sample and phase, so that a killed run goes on. Knows no networks.

The first line is the run's configuration; the others are `{"phase": "answer", "id": ..., "text": ...}` and
`{"phase": "draw", "id": ..., "codes": [...], "crc32": ..., "draws": ...}`: the picture's codes, the checksum of its
file, and of how many draws it is the best. Of several answers of a sample the last one counts; of several pictures the
one chosen among the most draws, and of those the last. A line cut off by a kill is dropped, and its sample is done
again. Of several processes each has a journal of its own, and all of them are read by every later run, however many
processes that has.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from submission.progress import say

SECONDS_BETWEEN_TRIES = 0.1
# The parts of a configuration that are known only when the weights have been read.
HASHES_OF_WEIGHTS = ("weights_sha256", "ruclip_sha256")


class JournalInUseError(RuntimeError):
    """Another run is writing the same journal."""


class JournalWriteError(OSError):
    """A record can not be written. The journal's file keeps the records before it, whole."""


@dataclass
class Records:
    """What journals tell, by sample id: `answers`, and of each picture the CRC-32 of its file and its number of draws.

    They can be put together in any order: only among records that are worth the same the last one counts.
    """

    answers: dict[str, str] = field(default_factory=dict)
    crcs: dict[str, int] = field(default_factory=dict)
    draws: dict[str, int] = field(default_factory=dict)

    def take(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records of a journal."""
        for record in records:
            phase = record.get("phase")  # none in a journal's first line
            if phase == "answer":
                self.answers[record["id"]] = record["text"]
            elif phase == "draw" and record["draws"] >= self.draws.get(record["id"], 0):
                self._take_drawing(record)

    def _take_drawing(self, record: Mapping[str, Any]) -> None:
        self.crcs[record["id"]] = record["crc32"]
        self.draws[record["id"]] = record["draws"]


class Journal(Records):
    """An open journal: what is done, and `drawings`, the int32 codes `[I]` of pictures by sample id.

    Nothing is read or changed before `resume`. `continues` says whether there was a journal of this configuration;
    `changed` names the parts of the configuration in which another one, then replaced, differed; None if there was no
    other one. `broken` is set by the first record that could not be written: none is written after it.

    `patience` is how many seconds another process is waited for that writes the same journal. Raises JournalInUseError
    after that, or OSError if the file can not be opened.
    """

    def __init__(self, folder: Path, process: int = 0, patience: float = 0.0) -> None:
        super().__init__()
        self.path = folder / journal_name(process)
        self.drawings: dict[str, Tensor] = {}
        self.changed: tuple[str, ...] | None = None
        self.continues = False
        self.broken = False
        self._file = self.path.open("a+b", buffering=0)  # creates it, keeps what is there
        self._size = 0  # of the records that are whole
        try:
            self._lock(time.monotonic() + patience)
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
            earlier, now = records[0].get("configuration", {}), first["configuration"]
            self.changed = tuple(name for name in now | earlier if earlier.get(name) != now.get(name))
            records, self._size = [], 0
            self._file.truncate(0)
        self.continues = bool(records)
        if not records:
            self._write(first)
        for path in sorted(self.path.parent.glob(journal_name("*"))):
            if path != self.path:
                others, _ = _sound_records(path.read_bytes())
                if others and others[0] == first:
                    self.take(others[1:])
        self.take(records[1:])

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

    def _lock(self, until: float) -> None:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
                return
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    say(f"{self.path} can not be locked ({error.strerror}): take care that no other run writes here")
                    return
                if time.monotonic() < until:
                    time.sleep(SECONDS_BETWEEN_TRIES)
                    continue
                raise JournalInUseError(f"{self.path}: another run is writing here; wait for it, or stop it") from error

    def _take_drawing(self, record: Mapping[str, Any]) -> None:
        super()._take_drawing(record)
        self.drawings[record["id"]] = torch.tensor(record["codes"], dtype=torch.int32)

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
    """Reads what another process journals, each record once."""

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        self.path = path
        self.records = Records()
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
        self.records.take(records[0 if self._read else 1 :])
        self._read += size


def configuration_of(path: Path) -> dict[str, Any]:
    """Return the configuration that a journal is of; empty if there is none. Raises OSError."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        records, _ = _sound_records(file.readline())
    return records[0].get("configuration", {}) if records else {}


def read_journals(folder: Path, configuration: Mapping[str, Any]) -> Records:
    """Return what all journals of a configuration tell together.

    Before a run knows the hashes of its weights (they are empty), journals count that differ in these alone; if they
    are of several weights, those of the latest. Raises OSError.
    """
    found = Records()
    paths = sorted(folder.glob(journal_name("*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    wanted = as_recorded(configuration)
    if not wanted.get("weights_sha256"):
        weightless = _without_weights(wanted)
        similar = [
            earlier for earlier in map(configuration_of, paths) if earlier and _without_weights(earlier) == weightless
        ]
        if not similar:
            return found
        wanted = similar[-1]
    for path in paths:
        if configuration_of(path) == wanted:
            found.take(record for _, record in _parsed(path.read_bytes()))
    return found


def _without_weights(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in configuration.items() if name not in HASHES_OF_WEIGHTS}


def as_recorded(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as a journal's first line has it."""
    recorded: dict[str, Any] = json.loads(json.dumps(configuration))
    return recorded


def _first_line(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {"configuration": as_recorded(configuration)}


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
