"""`OUTPUT/tensorboard`: the same rows for TensorBoard.

The files are written here: the library's writer hands them to a thread, which ends for good, and the training with it,
when the disk is full.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping, Sequence

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar

from training.tune.callbacks.callback import TrainingRun
from training.tune.callbacks.csv_file import append
from training.tune.callbacks.log import Sink

FOLDER = "tensorboard"
VERSION = "brain.Event:2"


class TensorBoard(Sink):
    """A sink for TensorBoard; `<task>.<segment>` stands under `<task>/<segment>` there."""

    def open(self, run: TrainingRun) -> None:
        """Start a file of events; TensorBoard drops what an earlier one has of the steps behind the checkpoint."""
        folder = run.output / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        behind = run.resumed_step + 1
        self._write(
            [
                Event(wall_time=time.time(), file_version=VERSION),
                Event(step=behind, file_version=VERSION),
                Event(step=behind, session_log=SessionLog(status=SessionLog.START)),
            ]
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each value."""
        now = time.time()
        named = ((name.replace(".", "/"), value) for name, value in values.items())
        self._write([Event(wall_time=now, step=step, summary=scalar(name, value)) for name, value in named])

    def _write(self, events: Sequence[Event]) -> None:
        append(self._path, b"".join(map(_record, events)))


def _record(event: Event) -> bytes:
    """Return an event as TensorBoard reads it: length (8 bytes), its checksum (4), the event, its checksum (4)."""
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))
