"""Input pictures to codes, in a thread that overlaps the model's work.

On a GPU both compute at the same time, each on a stream of its own. On a CPU they do so only where the processors are
enough for both; elsewhere they take turns, batch by batch, as each would only slow the other down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from contest.errors import ContestError
from contest.items import Sample
from contest.stored_samples import InputChangedError
from errors import described
from submission.batches import BatchSize, Failure, process_batches
from submission.deadline import DRAWING_SHARE, Deadline, RunStatus, RunStopped
from submission.devices import is_lost, side_stream, use_threads
from submission.engine import Engine
from submission.picture_files import BlackPicture, FlawedPicture, PictureFiles, is_black
from submission.planning import phase_label
from submission.progress import progress
from submission.recorded_images import CodesTable, compact_codes
from submission.report import PhaseReport
from submission.tables import IdSet, SampleIds

# Codes `[I]`; or that it counts as no picture; or why the picture can not be read, or not be encoded.
EncodedPicture: TypeAlias = Tensor | FlawedPicture | BlackPicture | ContestError | Failure


class PromisedPictures(MutableMapping[str, "Future[EncodedPicture]"]):
    """Futures by sample id of what is encoded in another thread, in its order.

    A future takes a kilobyte: it is made when it is asked for, and fulfilled even if it is deleted here meanwhile.
    Nothing can be put in from outside. They come in the order of `ids`, in whose tables codes wait for being asked for.
    """

    def __init__(self, promised: Iterable[str], ids: SampleIds) -> None:
        self.ids, self._ids = ids, IdSet(ids, promised)
        self._asked: dict[str, Future[EncodedPicture]] = {}  # for, and not fulfilled
        self._codes = CodesTable(ids)
        self._others: dict[str, EncodedPicture] = {}  # than codes alone
        self._to_come = len(self._ids)
        self._is_cancelled = False
        self._lock = threading.Lock()

    def keep(self, sample_id: str, encoded: EncodedPicture) -> None:
        """Fulfil a promise; of one that was deleted before anyone asked for it nothing is kept."""
        with self._lock:
            if sample_id in self._ids and isinstance(encoded, Tensor):
                self._codes[sample_id] = encoded
            elif sample_id in self._ids:
                self._others[sample_id] = encoded
            self._to_come -= 1
            future = self._asked.pop(sample_id, None)  # last: until then it can be cancelled, whatever goes wrong
        if future is not None:
            future.set_result(encoded)

    def cancel(self) -> None:
        """Cancel all that is not fulfilled."""
        with self._lock:
            self._is_cancelled, asked = True, list(self._asked.values())
        for future in asked:
            future.cancel()

    @property
    def are_done(self) -> bool:
        """Whether nothing more comes."""
        return self._is_cancelled or not self._to_come

    def __getitem__(self, sample_id: str) -> Future[EncodedPicture]:
        with self._lock:
            if sample_id not in self._ids:
                raise KeyError(sample_id)
            future: Future[EncodedPicture] = Future()
            if sample_id in self._codes:
                future.set_result(self._codes[sample_id])
            elif sample_id in self._others:
                future.set_result(self._others[sample_id])
            elif self._is_cancelled:
                future.cancel()
            else:
                future = self._asked.setdefault(sample_id, future)
            return future

    def __setitem__(self, sample_id: str, future: Future[EncodedPicture]) -> None:
        raise TypeError("what is promised comes from the thread that encodes")

    def __delitem__(self, sample_id: str) -> None:
        with self._lock:
            self._ids.remove(sample_id)
            self._codes.pop(sample_id, None)
            self._others.pop(sample_id, None)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._ids

    def has_row(self, row: int) -> bool:
        """Whether the picture of a row is promised, and was not deleted."""
        return self._ids.has_row(row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def _compact(encoded: EncodedPicture) -> EncodedPicture:
    if isinstance(encoded, FlawedPicture):
        return FlawedPicture(compact_codes(encoded.content), encoded.flaw)
    return compact_codes(encoded) if isinstance(encoded, Tensor) else encoded


@dataclass(eq=False)
class EncoderThread:
    """Encodes the pictures of some samples, in their order, from its making on.

    Nothing is shared with the model's thread but weights, which are only read, and futures of what was encoded.

    Attributes:
        samples: each has a picture.
        files: reads the pictures; by this thread alone, from now on.
        engine: encodes them.
        first_size: pictures at once, at first.
        overlap: whether to compute while the model does; otherwise in turns with it.
        deadline: nothing more is encoded when its share for pictures is over.
        thread: runs one task at a time.
        shown: whether to show how far it is.
        ids: of samples, for tables; None: of these.
        results: what comes of each sample, by its id; cancelled where its turn never came. Whoever takes one may delete
            it here: then nothing keeps the codes, which are in as few bytes as hold them.
        compute_lock: to be held by whoever computes meanwhile.
        status: why it ended before its work was done; FINISHED if it did not.

    """

    samples: Sequence[Sample]
    files: PictureFiles
    engine: Engine
    first_size: InitVar[int]
    _: KW_ONLY
    overlap: InitVar[bool]
    deadline: Deadline
    thread: InitVar[Executor]
    shown: bool
    ids: InitVar[SampleIds | None] = None

    def __post_init__(self, first_size: int, overlap: bool, thread: Executor, ids: SampleIds | None) -> None:
        ids = SampleIds([sample.id for sample in self.samples]) if ids is None else ids
        self.results = PromisedPictures((sample.id for sample in self.samples), ids)
        # A bare lock: a signal that interrupts who waits for it or holds it leaves it free.
        self.compute_lock: AbstractContextManager[Any] = nullcontext() if overlap else threading.Lock()
        self.status = RunStatus.FINISHED
        self._size = BatchSize(first_size)
        self._error = ""
        self._is_wanted = True
        self._failures: list[Failure] = []
        self._threads = torch.get_num_threads()
        self._stream = side_stream(self.engine.networks.device)
        self._started = self._ended = time.monotonic()
        self.files.expect(self.samples)
        self._running = thread.submit(self._run)

    def end(self) -> tuple[RunStatus, str]:
        """Encode nothing more; return how it ended, and why it failed if a device was lost or the input was changed.

        Does not wait for a batch at work. Raises what the thread itself came to grief with, which is a mistake in it.
        """
        self._is_wanted = False
        if not self.results.are_done:
            return RunStatus.FINISHED, ""
        self._running.result()  # it is about to return
        return self.status, self._error or (self._failures[-1].error if self._failures else "")

    def report(self) -> PhaseReport:
        """How it went: seconds from its beginning to its end, whatever was done meanwhile."""
        return PhaseReport(
            samples=len(self.samples),
            failed=len(self._failures),
            seconds=(self._ended if self._running.done() else time.monotonic()) - self._started,
            steps=0,
            batch_size=self._size.first,
            last_batch_size=self._size.now,
        )

    def _run(self) -> None:
        use_threads(self._threads)
        device = self.engine.networks.device
        try:
            with (
                progress(phase_label("encode", self.samples), len(self.samples), shown=self.shown) as advance,
                torch.cuda.stream(self._stream),  # None: of no effect
            ):
                batches = process_batches(self.samples, self._size, self._encode, is_lost=lambda: is_lost(device))
                for sample, encoded in (pair for batch in batches for pair in batch):
                    if isinstance(encoded, Failure):
                        self._failures.append(encoded)
                    else:
                        advance()
                    self.results.keep(sample.id, _compact(encoded))
        except RunStopped as stopped:
            self.status = stopped.status
        finally:
            self._ended = time.monotonic()
            self.files.stop_reading()  # after an early end the rest would be read for nobody, beside what is left to do
            self.results.cancel()

    def _encode(self, batch: Sequence[Sample]) -> list[EncodedPicture]:
        self._check()
        read = []
        try:
            with closing(self.files.read(batch)) as pictures:
                for picture in pictures:
                    read.append(picture)
                    self._check()
        except InputChangedError as error:
            self._error = described(error)
            raise RunStopped(RunStatus.INPUT_CHANGED) from error
        results: dict[int, EncodedPicture] = {}
        seen: dict[int, Tensor] = {}
        for index, picture in enumerate(read):
            if isinstance(picture, ContestError):
                results[index] = picture
                continue
            pixels, flaw = (picture.content, picture.flaw) if isinstance(picture, FlawedPicture) else (picture, None)
            if self.engine.profile.black_is_absent and is_black(pixels):
                results[index] = BlackPicture(flaw)
            else:
                seen[index] = pixels
        with self.compute_lock:
            self._check()  # it may have been a long wait
            codes = self.engine.encode([batch[index].id for index in seen], list(seen.values()))
        for index, row in zip(seen, codes, strict=True):
            before = read[index]
            results[index] = FlawedPicture(row, before.flaw) if isinstance(before, FlawedPicture) else row
        return [results[index] for index in range(len(batch))]

    def _check(self) -> None:
        if not self._is_wanted:
            raise RunStopped(RunStatus.FINISHED)
        self.deadline.check(DRAWING_SHARE)
