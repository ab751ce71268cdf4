"""What a run has already done, one JSON line a sample and phase, so that a killed run goes on. Knows no networks.

The first line is the run's configuration; the others are `{"phase": "answer", "id": ..., "text": ...}` and
`{"phase": "draw", "id": ..., "codes": [...]}`. A line cut off by a kill is dropped, and its sample is done again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from submission.progress import say


class JournalInUseError(RuntimeError):
    """Another run is writing the same journal."""


class Journal:
    """An open journal: `answers` (text by sample id) and `drawings` (int32 codes `[I]` by sample id) done so far.

    `changed` names the parts of the configuration in which an earlier journal, now replaced, differed; None if this is
    its continuation or there was none. Raises JournalInUseError, or OSError if the file can not be opened.
    """

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        self.path = path
        self.answers: dict[str, str] = {}
        self.drawings: dict[str, Tensor] = {}
        self.changed: tuple[str, ...] | None = None
        self._file = path.open("a+b")  # creates it, keeps what is there
        try:
            self._lock()
            self._resume(json.loads(json.dumps(configuration)))
        except BaseException:
            self._file.close()
            raise

    @property
    def resumed(self) -> bool:
        """Whether something was already done."""
        return bool(self.answers or self.drawings)

    def add_answer(self, sample_id: str, text: str) -> None:
        """Record a sample's answer."""
        self.answers[sample_id] = text
        self._write({"phase": "answer", "id": sample_id, "text": text})

    def add_drawing(self, sample_id: str, codes: Tensor) -> None:
        """Record the codes `[I]` of the picture drawn for a sample."""
        self.drawings[sample_id] = codes.to("cpu", torch.int32)
        self._write({"phase": "draw", "id": sample_id, "codes": codes.tolist()})

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

    def _resume(self, configuration: dict[str, Any]) -> None:
        self._file.seek(0)
        records, sound_bytes = _sound_records(self._file.read())
        if records and records[0] == {"configuration": configuration}:
            self._file.truncate(sound_bytes)
            for record in records[1:]:
                if record["phase"] == "answer":
                    self.answers[record["id"]] = record["text"]
                else:
                    self.drawings[record["id"]] = torch.tensor(record["codes"], dtype=torch.int32)
            return
        if records:
            earlier = records[0].get("configuration", {})
            self.changed = tuple(name for name in configuration if earlier.get(name) != configuration[name])
        self._file.truncate(0)
        self._write({"configuration": configuration})

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()  # now the kernel has it: it survives the end of this process, whatever ends it

    def sync(self) -> None:
        """Force what was recorded onto the disk, so that it survives the machine's end too."""
        os.fsync(self._file.fileno())


def _sound_records(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the records up to the first line that is cut off or damaged, and the number of their bytes."""
    records: list[dict[str, Any]] = []
    size = 0
    for line in data.splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(record, dict):
            break
        records.append(record)
        size += len(line)
    return records, size
