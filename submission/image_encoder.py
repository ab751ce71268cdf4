"""Input pictures to codes, in a thread beside the model's work. Knows neither journal nor answers.

On a GPU both compute at the same time, each on a stream of its own. On a CPU they do so only where the processors are
enough for both; elsewhere they take turns, batch by batch, as each would only slow the other down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import torch
from torch import Tensor

from contest.errors import ContestError
from contest.items import Sample
from submission.batches import Failure, Processed, in_batches
from submission.deadline import Ending, Stopped
from submission.devices import is_lost, side_stream, use_threads
from submission.engine import Engine
from submission.picture_files import Flawed, PictureFiles
from submission.pictures import is_black
from submission.planning import phase_label
from submission.progress import progress
from submission.report import PhaseReport

# Codes `[I]`; or why the picture can not be read, or not be encoded; or None if it counts as no picture.
Found: TypeAlias = Tensor | Flawed | ContestError | Failure[Sample] | None


class Encoding:
    """Encodes the pictures of some samples, in their order, from its making on.

    Nothing is shared with the model's thread but weights, which are only read, and futures of what was found.

    Args:
        samples: each has a picture.
        files: reads the pictures; by this thread alone, from now on.
        engine: encodes them.
        size: pictures at once, at first.
        beside: whether to compute while the model does; otherwise in turns with it.
        go_on: called between batches; raises Stopped when no more is to be encoded.
        thread: runs one task at a time.
        shown: whether to show how far it is.

    Attributes:
        found: what came of each sample, by its id; cancelled where its turn never came.
        turn: to be held by whoever computes meanwhile.

    """

    def __init__(
        self,
        samples: Sequence[Sample],
        files: PictureFiles,
        engine: Engine,
        size: int,
        *,
        beside: bool,
        go_on: Callable[[], object],
        thread: Executor,
        shown: bool,
    ) -> None:
        self.found: dict[str, Future[Found]] = {sample.id: Future() for sample in samples}
        # A bare lock: a signal that breaks off who waits for it or holds it leaves it free.
        self.turn: AbstractContextManager[Any] = nullcontext() if beside else threading.Lock()
        self._samples = samples
        self._files = files
        self._engine = engine
        self._size = size
        self._go_on = go_on
        self._shown = shown
        self._is_wanted = True
        self._threads = torch.get_num_threads()
        self._stream = side_stream(engine.networks.device)
        self._started = self._ended = time.monotonic()
        files.expect(samples)
        self._running = thread.submit(self._run)

    def end(self) -> Processed[Sample]:
        """Encode nothing more, and return what has failed and why it ended. Does not wait for a batch at work.

        Raises what the thread itself came to grief with, which is a mistake in it.
        """
        self._is_wanted = False
        if all(future.done() for future in self.found.values()):  # then it is about to return
            return self._running.result()
        return Processed([], self._size)

    def report(self, processed: Processed[Sample]) -> PhaseReport:
        """How it went: seconds from its beginning to its end, whatever was done meanwhile."""
        return PhaseReport(
            samples=len(self._samples),
            failed=len(processed.failures),
            seconds=(self._ended if self._running.done() else time.monotonic()) - self._started,
            steps=0,
            batch_size=self._size,
            last_batch_size=processed.last_size,
        )

    def _run(self) -> Processed[Sample]:
        use_threads(self._threads)
        device = self._engine.networks.device
        try:
            with progress(phase_label("encode", self._samples), len(self._samples), shown=self._shown) as advance:

                def keep(sample: Sample, found: Found) -> None:
                    self.found[sample.id].set_result(found)
                    advance()

                with torch.cuda.stream(self._stream):  # None: of no effect
                    processed = in_batches(
                        self._samples, self._size, self._encode, keep, is_lost=lambda: is_lost(device)
                    )
            for failure in processed.failures:
                self.found[failure.entry.id].set_result(failure)
            return processed
        finally:
            self._ended = time.monotonic()
            for future in self.found.values():
                future.cancel()  # of no effect where something was found

    def _encode(self, batch: Sequence[Sample]) -> list[Found]:
        self._ask()
        read = self._files.read(batch, self._ask)
        results: list[Found] = [None] * len(batch)
        seen: dict[int, Tensor] = {}
        for index, found in enumerate(read):
            if isinstance(found, ContestError):
                results[index] = found
                continue
            pixels = found.content if isinstance(found, Flawed) else found
            if not (self._engine.profile.black_is_absent and is_black(pixels)):
                seen[index] = pixels
        with self.turn:
            self._ask()  # it may have been a long wait
            codes = self._engine.encode([batch[index].id for index in seen], list(seen.values()))
        for index, row in zip(seen, codes, strict=True):
            before = read[index]
            results[index] = Flawed(row, before.flaw) if isinstance(before, Flawed) else row
        return results

    def _ask(self) -> None:
        if not self._is_wanted:
            raise Stopped(Ending.FINISHED)
        self._go_on()
