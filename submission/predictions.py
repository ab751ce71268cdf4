"""`predictions.json` and its pictures, valid for every sample from the beginning: fallbacks, then answers."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from contest.errors import ContestError, ContestFileError
from contest.items import Item, Sample
from contest.limits import IMAGES_DIR, PREDICTIONS_NAME, picture_content, picture_name
from contest.stored_samples import with_picture
from contest.streaming import stream_predictions
from contest.writing import items_to_json, json_object_parts, write_bytes, write_json_object
from submission.peers import PeerProcesses
from submission.picture_files import bytes_of, crc_of, grey_picture, to_jpeg
from submission.progress import warn
from submission.recorded_images import RecordedImage
from submission.report import RunProblem
from submission.run_state import RunState
from submission.tables import IdSet, SampleIds, TextTable

SECONDS_BETWEEN_WRITES = 10.0
WRITING_SHARE = 0.02  # of the time, at most, goes into writing the file again and again
FALLBACK_SIDE = 192  # of the published network's pictures
FALLBACK_QUALITY = 75
RESERVED_BYTES_PER_SAMPLE = 1024  # several times an answer
RESERVED_BYTES = 1 << 20
RESERVE_NAME = ".reserve"

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(tmp|link)")


@dataclass(eq=False)
class PredictionsFile:
    """The answers file of a run, and the plain pictures that stand in for those not drawn yet.

    Attributes:
        output: its folder; its `images/` must exist.
        samples: all of the run, in the order of the file.
        fallback: the text for a sample without an answer.
        clock: seconds that only grow.
        ids: of the samples, for tables.
        reserve: room on the disk for the last files, given up when that is full.
        earlier: answers by sample id that stand in for what is not answered, instead of fallbacks.

    """

    output: Path
    samples: Sequence[Sample]
    fallback: str
    clock: Callable[[], float] = time.monotonic
    ids: SampleIds = field(default_factory=SampleIds)
    earlier: MutableMapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.earlier = TextTable(self.ids)
        self.path = self.output / PREDICTIONS_NAME
        self._images = str(self.output / IMAGES_DIR)
        self.reserve = DiskReserve(self.output, len(self.samples))
        self._is_refreshed = True
        self._written = -float("inf")
        self._pause = SECONDS_BETWEEN_WRITES
        self._plain = plain_picture()

    def keep_earlier(self, answers: Mapping[str, str], *, file: bool) -> None:
        """Let an earlier run's answers stand in for what is not answered, and no fallbacks.

        They are `answers`, and with `file` also those in the answers file, which then is of this very input.
        """
        self.earlier = self._texts_there() if file else TextTable(self.ids)
        self.earlier.update(answers)

    def write_fallbacks(self, pictured: Container[str] = ()) -> None:
        """Give every sample an answer of its kinds before anything is computed: an earlier run's, or a fallback.

        Raises ContestError if the folder can not be written.
        """
        self.write_fallback_images(self.samples, replace=False)
        if self.samples and not self._is_there(self._members({}, pictured)):
            self.write({}, pictured)

    def write_fallback_images(self, samples: Iterable[Sample], *, replace: bool) -> None:
        """Put the plain picture where a sample has none; with `replace`, also where another run's is.

        Raises ContestError if the folder can not be written.
        """
        source = f"{self._images}/.{uuid4().hex}.tmp"
        write_bytes(source, self._plain)
        try:
            for sample in samples:
                path = self.picture(sample)
                if sample.has_image or (os.path.isfile(path) and (not replace or self.is_plain(path))):
                    continue
                link = f"{source.removesuffix('.tmp')}.link" if os.path.exists(path) else path
                try:
                    os.link(source, link)  # takes no room, and no time to speak of for thousands of samples
                except FileExistsError:  # another process drew it just now
                    continue
                except OSError:  # a file system without links
                    write_bytes(path, self._plain)
                    continue
                if link != path:
                    os.replace(link, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)

    def remove_temp_files(self) -> None:
        """Remove the temporary files of processes that were killed. Nobody else may be writing."""
        for folder in (self.output, self.output / IMAGES_DIR):
            with os.scandir(folder) as entries:  # no list of all pictures
                for entry in entries:
                    if _TEMPORARY.fullmatch(entry.name):
                        Path(entry).unlink(missing_ok=True)

    def picture(self, sample: Sample) -> str:
        """Where the picture drawn for a sample lies: no `Path`, see `replacing_name`."""
        return f"{self._images}/{picture_name(sample.id)}"

    def holds(self, sample: Sample, image: RecordedImage) -> bool:
        """Whether the picture that lies there for a sample is the one that is recorded."""
        return crc_of(self.picture(sample)) == image.crc

    def is_plain(self, path: str | Path) -> bool:
        """Whether a file is the plain picture."""
        return os.stat(path).st_size == len(self._plain) and bytes_of(path) == self._plain

    def write(self, answers: Mapping[str, str], pictured: Container[str]) -> None:
        """Write the file: [text, image] for samples without a picture and for those `pictured`, otherwise [text].

        Raises ContestError; the file that was there then stays.
        """
        started = self.clock()
        write_json_object(self.path, self._members(answers, pictured))
        self._written = self.clock()
        self._pause = max(SECONDS_BETWEEN_WRITES, (self._written - started) / WRITING_SHARE)

    def refresh(self, state: RunState, peers: PeerProcesses) -> None:
        """Write what a state and the other processes know by now, if it is time and this is the first process.

        Where that can not be written, it is a problem, and nothing more is written before the end.
        """
        if not (state.is_first and self._is_refreshed and self.is_due):
            return
        try:
            self.write(*peers.known(state))
        except ContestError as error:
            self._is_refreshed = False
            self.reserve.release()
            later = "the run goes on, and writes the answers at its end"
            state.add_problem(RunProblem.of(error, "predictions", later, None))

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the file again."""
        return self.clock() - self._written >= self._pause

    def drawn_before(self, pictured: Container[str]) -> Set[str]:
        """Ids of samples, none of them `pictured`, whose picture is of an earlier run."""
        waiting = (sample for sample in with_picture(self.samples, False) if sample.id not in pictured)
        return IdSet(self.ids, (sample.id for sample in waiting if self._is_drawn(self.picture(sample))))

    def _is_drawn(self, path: str) -> bool:
        return os.path.isfile(path) and not self.is_plain(path)

    def _members(self, answers: Mapping[str, str], pictured: Container[str]) -> Iterator[tuple[str, object]]:
        """What the file holds of each sample."""
        for sample in self.samples:
            text = answers.get(sample.id)
            items = [Item("text", self.earlier.get(sample.id, self.fallback) if text is None else text)]
            if not sample.has_image or (sample.id in pictured and os.path.isfile(self.picture(sample))):
                items.append(Item("image", picture_content(sample.id)))
            yield sample.id, items_to_json(items)

    def _is_there(self, members: Iterable[tuple[str, object]]) -> bool:
        """Whether the file holds these, and nothing else, as they are written."""
        try:
            with self.path.open("rb") as file:
                return all(file.read(len(part)) == part for part in json_object_parts(self.path, members)) and (
                    not file.read(1)
                )
        except OSError:  # there is none, or what is there can not be read
            return False

    def _texts_there(self) -> TextTable:
        """The answers that an earlier run left, of those that have the form of this input's samples; none if it left no
        whole file."""
        known = IdSet(self.ids, (sample.id for sample in self.samples))
        pictured = IdSet(self.ids, (sample.id for sample in with_picture(self.samples)))
        texts = TextTable(self.ids)
        try:
            for answer in stream_predictions(self.path):
                has_form = answer.id in known and len(answer.texts) == 1
                if not has_form or not (answer.id in pictured or answer.has_image):
                    continue
                if answer.texts[0] not in ("", self.fallback):
                    texts[answer.id] = answer.texts[0]
        except ContestFileError:
            return TextTable(self.ids)
        return texts


def plain_picture() -> bytes:
    """The JPEG that stands in for a picture not drawn."""
    return to_jpeg(grey_picture(FALLBACK_SIDE), FALLBACK_QUALITY)


class DiskReserve:
    """Room on the disk that is kept free for the last files of a run, so that a full disk does not cost its answers."""

    def __init__(self, output: Path, samples: int) -> None:
        self.path = output / RESERVE_NAME
        self._bytes = RESERVED_BYTES + samples * RESERVED_BYTES_PER_SAMPLE

    def take(self) -> None:
        """Occupy the room. Where there is none, say so and go on without."""
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._bytes)
        except OSError as error:
            self.release()
            warn(f"the disk has no room to spare ({error.strerror}): the last answers may not fit on it")

    def release(self) -> None:
        """Make the room free, for good."""
        with contextlib.suppress(OSError):  # without it there is nothing to release
            self.path.unlink(missing_ok=True)
