"""What a run has already done, one JSON line a sample and phase, so that a killed run goes on.

The first line is the run's configuration; the others are `{"phase": "answer", "id": ..., "text": ...}`, with a "cut"
that says which of the sample's options could not count, if any did not, and `"again": true` for a first answer to a
sample that is to be asked again, and
`{"phase": "draw", "id": ..., "codes": [...], "crc32": ..., "draws": ...}`: the picture's codes, the checksum of its
file, and of how many draws it is the best. Of several answers of a sample the last one counts that is no first answer,
or else the last first one; of several pictures the
one chosen among the most draws, and of those the last. A line cut off by a kill is dropped, and its sample is done
again. Of several processes each has a journal of its own, and all of them are read by every later run, however many
processes that has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contest.atomic import lock
from errors import UserError
from submission.progress import warn

# The parts of a configuration that are known only when the weights have been read.
HASHES_OF_WEIGHTS = ("weights_sha256", "ruclip_sha256")


class JournalInUseError(UserError):
    """Another run is writing the same journal."""


class JournalWriteError(OSError):
    """A record can not be written. The journal's file keeps the records before it, whole."""


@dataclass(frozen=True)
class RecordedImage:
    """A picture as a journal has it: its codes int32 `[I]`, its file's CRC-32, and of how many it is the best."""

    codes: Tensor
    crc: int
    num_images: int = 1


@dataclass
class JournalRecords:
    """What journals hold, by sample id: answers, what of a sample's options was cut for them, and pictures.

    `first_answers` are the ids of samples that have no more than a first answer, and are to be asked again.

    They can be put together in any order: only among records that are worth the same the last one counts.
    """

    answers: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, str] = field(default_factory=dict)
    images: dict[str, RecordedImage] = field(default_factory=dict)
    first_answers: set[str] = field(default_factory=set)

    def take(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records of a journal."""
        for record in records:
            phase = record.get("phase")  # none in a journal's first line
            if phase == "answer":
                again = record.get("again", False)
                if again and record["id"] in self.answers and record["id"] not in self.first_answers:
                    continue
                (self.first_answers.add if again else self.first_answers.discard)(record["id"])
                self.answers[record["id"]] = record["text"]
                self.cuts.pop(record["id"], None)
                if "cut" in record:
                    self.cuts[record["id"]] = record["cut"]
            elif phase == "draw":
                earlier = self.images.get(record["id"])
                if earlier is None or record["draws"] >= earlier.num_images:
                    codes = torch.tensor(record["codes"], dtype=torch.int32)
                    self.images[record["id"]] = RecordedImage(codes, record["crc32"], record["draws"])


class Journal:
    """An open journal.

    Nothing is read or changed before `resume`. `continues` says whether there was a journal of this configuration;
    `changed` names the parts of the configuration in which another one, then replaced, differed; None if there was no
    other one. `broken` is set by the first record that could not be written: none is written after it.

    `patience` is how many seconds another process is waited for that writes the same journal. Raises JournalInUseError
    after that, or OSError if the file can not be opened.
    """

    def __init__(self, folder: Path, process: int = 0, patience: float = 0.0) -> None:
        self.path = folder / journal_name(process)
        self.changed: tuple[str, ...] | None = None
        self.continues = False
        self.broken = False
        self._file = self.path.open("a+b", buffering=0)  # creates it, keeps what is there
        self._size = 0  # of the records that are whole
        try:
            self._lock(patience)
        except BaseException:
            self._file.close()
            raise

    def resume(self, configuration: Mapping[str, Any]) -> JournalRecords:
        """Return what earlier runs of this configuration did, in all their processes, or begin anew.

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
        known = JournalRecords()
        for path in sorted(self.path.parent.glob(journal_name("*"))):
            if path != self.path:
                others, _ = _sound_records(path.read_bytes())
                if others and others[0] == first:
                    known.take(others[1:])
        known.take(records[1:])
        return known

    def add_answer(self, sample_id: str, text: str, cut: str = "", *, again: bool = False) -> None:
        """Record a sample's answer, what of its options was cut for it, and whether it is to be asked again.

        Raises JournalWriteError.
        """
        record: dict[str, Any] = {"phase": "answer", "id": sample_id, "text": text}
        self._write(record | ({"cut": cut} if cut else {}) | ({"again": True} if again else {}))

    def add_image(self, sample_id: str, image: RecordedImage) -> None:
        """Record the picture of a sample, whose file is written by now. Raises JournalWriteError."""
        codes = image.codes.tolist()
        record = {"phase": "draw", "id": sample_id, "codes": codes, "crc32": image.crc, "draws": image.num_images}
        self._write(record)

    def sync(self) -> None:
        """Force what was recorded onto the disk: it survives the machine's end too. Raises JournalWriteError."""
        if not self.broken:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._break(error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _lock(self, patience: float) -> None:
        try:
            lock(self._file.fileno(), seconds=patience)
        except TimeoutError as error:
            raise JournalInUseError(
                "another run is writing here", "wait for it, or stop it", where=str(self.path)
            ) from error
        except OSError as error:
            warn(f"{self.path} can not be locked ({error.strerror}): take care that no other run writes here")

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


class JournalFollower:
    """Reads what another process journals, each record once."""

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        self.path = path
        self.records = JournalRecords()
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


def read_journals(folder: Path, configuration: Mapping[str, Any]) -> JournalRecords:
    """Return what all journals of a configuration hold together.

    Before a run knows the hashes of its weights (they are empty), journals count that differ in these alone; if they
    are of several weights, those of the latest. Raises OSError.
    """
    known = JournalRecords()
    paths = sorted(folder.glob(journal_name("*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    configurations = {path: configuration_of(path) for path in paths}
    wanted = as_recorded(configuration)
    if not wanted.get("weights_sha256"):
        weightless = _without_weights(wanted)
        similar = [each for each in configurations.values() if each and _without_weights(each) == weightless]
        wanted = similar[-1] if similar else wanted
    for path in paths:
        if configurations[path] == wanted:
            known.take(_sound_records(path.read_bytes())[0])
    return known


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
    for line in data.splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not _is_sound(record):
            break
        records.append(record)
        size += len(line)
    return records, size


def _is_sound(record: object) -> bool:
    match record:
        case {"configuration": dict()}:
            return True
        case {"phase": "answer", "id": str(), "text": str(), **more}:
            return isinstance(more.get("cut", ""), str) and isinstance(more.get("again", False), bool)
        case {"phase": "draw", "id": str(), "codes": list(codes), "crc32": int(), "draws": int()}:
            return all(isinstance(code, int) for code in codes)
    return False
