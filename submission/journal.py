"""What a run has already done, one JSON line a sample and phase, so that a killed run goes on.

The first line is the run's configuration; the others are `{"phase": "answer", "id": ..., "text": ...}`, with a "cut"
that says which of the sample's options could not count, if any did not, `"again": true` for a first answer to a
sample that is to be asked again, and `"draws": ..., "said": {text: times, ...}` where it is the best of several: of how
many, and how often each came, "" for one without text; and
`{"phase": "draw", "id": ..., "codes": [...], "crc32": ..., "draws": ...}`: the picture's codes, the checksum of its
file, and of how many draws it is the best. Of several answers of a sample the last one counts that is no first answer,
or else the last first one; of several answers that are the best of some, and of several pictures, the
one chosen among the most draws, and of those the last. A line cut off by a kill is dropped, and its sample is done
again. Of several processes each has a journal of its own, and all of them are read by every later run, however many
processes that has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contest.atomic import lock
from errors import UserError
from submission.progress import warn
from submission.recorded_images import ImageTable, JournalLine, RecordedImage, is_sound_image
from submission.tables import CountsTable, IdSet, SampleIds, TextTable

# The parts of a configuration that are known only when the weights have been read.
HASHES_OF_WEIGHTS = ("weights_sha256", "ruclip_sha256")


class JournalInUseError(UserError):
    """Another run is writing the same journal."""


class JournalWriteError(OSError):
    """A record can not be written. The journal's file keeps the records before it, whole."""


@dataclass
class JournalRecords:
    """What journals hold, by sample id: answers, what of a sample's options was cut for them, and pictures, whose codes
    stay in the journals.

    `said` has all that was drawn, and how often, where an answer is the best of several.
    `first_answers` are the ids of samples that have no more than a first answer, and are to be asked again.

    They can be put together in any order: only among records that are worth the same the last one counts.
    """

    answers: MutableMapping[str, str] = field(default_factory=dict)
    cuts: dict[str, str] = field(default_factory=dict)
    images: MutableMapping[str, RecordedImage] = field(default_factory=dict)
    first_answers: MutableSet[str] = field(default_factory=set)
    said: MutableMapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def compact(cls, ids: SampleIds) -> JournalRecords:
        """Return none yet, and room for those of very many samples; they come in the order of `ids`."""
        return cls(TextTable(ids), images=ImageTable(ids), first_answers=IdSet(ids), said=CountsTable(ids))

    def draws(self, key: str) -> int:
        """Of how many an answer is the best."""
        return draws_of(self.said.get(key))

    def take(self, record: Mapping[str, Any], line: JournalLine) -> None:
        """Add a record of a journal, which stands there in some line."""
        phase = record.get("phase")  # none in a journal's first line
        if phase == "answer":
            again, said = record.get("again", False), record.get("said")
            self._take_answer(record["id"], record["text"], record.get("cut"), again, said)
        elif phase == "draw":
            self._take_image(record["id"], RecordedImage(line, record["crc32"], record["draws"]))

    def merge(self, later: JournalRecords) -> None:
        """Add all that is in others, as if their journals were read after this one's."""
        for key, text in later.answers.items():
            self._take_answer(key, text, later.cuts.get(key), key in later.first_answers, later.said.get(key))
        for key, image in later.images.items():
            self._take_image(key, image)

    def _take_answer(self, key: str, text: str, cut: str | None, again: bool, said: Mapping[str, int] | None) -> None:
        if again and key in self.answers and key not in self.first_answers:
            return
        if key in self.answers and draws_of(said) < self.draws(key):
            return
        (self.first_answers.add if again else self.first_answers.discard)(key)
        self.answers[key] = text
        self.cuts.pop(key, None)
        if cut is not None:
            self.cuts[key] = cut
        self.said.pop(key, None)
        if said is not None:
            self.said[key] = said

    def _take_image(self, key: str, image: RecordedImage) -> None:
        earlier = self.images.get(key)
        if earlier is None or image.num_images >= earlier.num_images:
            self.images[key] = image


def draws_of(said: Mapping[str, int] | None) -> int:
    """How many answers were drawn where these were, each so often; one where nothing is written of it."""
    return 1 if said is None else sum(said.values())


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

    def resume(self, configuration: Mapping[str, Any], ids: SampleIds | None = None) -> JournalRecords:
        """Return what earlier runs of this configuration did, in all their processes, or begin anew; `ids` as for
        `records_for`.

        Raises JournalWriteError if there is no room for a first line, OSError if a journal can not be read.
        """
        first, own = _first_line(configuration), records_for(ids)
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            earlier, self._size = _read_journal(lines, first, own, self.path)
        self._file.truncate(self._size)
        if earlier is not None and earlier != first:
            before, now = earlier.get("configuration", {}), first["configuration"]
            self.changed = tuple(name for name in now | before if before.get(name) != now.get(name))
        self.continues = earlier == first
        if not self.continues:
            self._write(first)
        known = records_for(ids)
        for path in sorted(self.path.parent.glob(journal_name("*"))):
            if path != self.path:
                with path.open("rb") as lines:
                    _read_journal(lines, first, known, path)
        known.merge(own)
        return known

    def add_answer(
        self, sample_id: str, text: str, cut: str = "", *, again: bool = False, said: Mapping[str, int] | None = None
    ) -> None:
        """Record a sample's answer, what of its options was cut for it, and whether it is to be asked again.

        `said` is what was drawn, and how often, where it is the best of several. Raises JournalWriteError.
        """
        record: dict[str, Any] = {"phase": "answer", "id": sample_id, "text": text}
        of_several = {} if said is None else {"draws": draws_of(said), "said": dict(said)}
        self._write(record | ({"cut": cut} if cut else {}) | ({"again": True} if again else {}) | of_several)

    def add_image(self, sample_id: str, image: RecordedImage) -> None:
        """Record the picture of a sample, whose file is written by now; its codes are in the journal from then on.

        Raises JournalWriteError.
        """
        codes = image.codes.tolist()
        record = {"phase": "draw", "id": sample_id, "codes": codes, "crc32": image.crc, "draws": image.num_images}
        line = JournalLine(self.path, self._size)
        if self._write(record):
            image.leave_codes_in(line)

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

    def _write(self, record: Mapping[str, Any]) -> bool:
        """Give a line to the kernel: it survives the end of this process, whatever ends it. Return whether it did."""
        if self.broken:
            return False
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):  # a full disk takes what it has room for, and raises at the next write only
                self._file.write(line[written:])
        except OSError as error:
            raise self._break(error) from error
        self._size += len(line)
        return True

    def _break(self, error: OSError) -> JournalWriteError:
        self.broken = True
        self._file.truncate(self._size)
        return JournalWriteError(error.errno, f"{self.path} can not be written: {error.strerror}")


def journal_name(process: int | str) -> str:
    """File name of the journal of one of several processes, 0 being the first or the only one; "*" for all."""
    return f"journal{process}.jsonl" if process == "*" else f"journal.{process}.jsonl" if process else "journal.jsonl"


class JournalFollower:
    """Reads what another process journals, each record once; `ids` as for `records_for`."""

    def __init__(self, path: Path, configuration: Mapping[str, Any], ids: SampleIds | None = None) -> None:
        self.path = path
        self.records = records_for(ids)
        self._configuration = configuration
        self._read = 0

    def catch_up(self) -> None:
        """Read what came since the last time. Nothing, as long as the journal is of another configuration."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as lines:
            if not self._read:
                _, self._read = _read_journal(lines, _first_line(self._configuration), self.records, self.path)
                return
            lines.seek(self._read)
            for record, size in _sound_records(lines):
                self.records.take(record, JournalLine(self.path, self._read))
                self._read += size


def configuration_of(path: Path) -> dict[str, Any]:
    """Return the configuration that a journal is of; empty if there is none. Raises OSError."""
    if not path.is_file():
        return {}
    with path.open("rb") as lines:
        for record, _ in _sound_records(lines):
            found: dict[str, Any] = record.get("configuration", {})
            return found
    return {}


def records_for(ids: SampleIds | None) -> JournalRecords:
    """Return room for records: compact for these ids; with None in their own order, as it is for a few samples."""
    return JournalRecords() if ids is None else JournalRecords.compact(ids)


def read_journals(
    folder: Path,
    configuration: Mapping[str, Any],
    ids: SampleIds | None = None,
    wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> JournalRecords:
    """Return what all journals of a configuration hold together, of those records that are `wanted`; `ids` as for
    `records_for`.

    Before a run knows the hashes of its weights (they are empty), journals count that differ in these alone; if they
    are of several weights, those of the latest. Raises OSError.
    """
    known = records_for(ids)
    paths = sorted(folder.glob(journal_name("*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    configurations = {path: configuration_of(path) for path in paths}
    asked = as_recorded(configuration)
    if not asked.get("weights_sha256"):
        weightless = _without_weights(asked)
        similar = [each for each in configurations.values() if each and _without_weights(each) == weightless]
        asked = similar[-1] if similar else asked
    for path in paths:
        if configurations[path] == asked:
            with path.open("rb") as lines:
                place = 0
                for record, length in _sound_records(lines):
                    if wanted(record):
                        known.take(record, JournalLine(path, place))
                    place += length
    return known


def _without_weights(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in configuration.items() if name not in HASHES_OF_WEIGHTS}


def as_recorded(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as a journal's first line has it."""
    recorded: dict[str, Any] = json.loads(json.dumps(configuration))
    return recorded


def _first_line(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {"configuration": as_recorded(configuration)}


def _read_journal(
    lines: Iterable[bytes], first: Mapping[str, Any], records: JournalRecords, path: Path
) -> tuple[dict[str, Any] | None, int]:
    """Add to `records` what a journal holds, one line at a time, if its first one is `first`.

    Returns its first line, None if that is not sound, and the bytes of its sound ones; 0 of another configuration's.
    """
    head: dict[str, Any] | None = None
    size = 0
    for record, length in _sound_records(lines):
        if head is None:
            head = record
            if head != first:
                break
        else:
            records.take(record, JournalLine(path, size))
        size += length
    return head, size


def _sound_records(lines: Iterable[bytes]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the records up to the first line that is cut off or damaged, each with the number of its bytes."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n") or not _is_sound(record):
            return
        yield record, len(line)


def _is_sound(record: object) -> bool:
    match record:
        case {"configuration": dict()}:
            return True
        case {"phase": "answer", "id": str(), "text": str(), **more}:
            sound = isinstance(more.get("cut", ""), str) and isinstance(more.get("again", False), bool)
            return sound and ("said" not in more or _is_sound_of_several(more["said"], more.get("draws")))
        case {"phase": "draw", "id": str(), "codes": list(codes), "crc32": int(crc), "draws": int(draws)}:
            return is_sound_image(codes, crc, draws)
    return False


def _is_sound_of_several(said: object, draws: object) -> bool:
    if not isinstance(said, dict) or not all(isinstance(times, int) and times > 0 for times in said.values()):
        return False
    return draws_of(said) == draws
