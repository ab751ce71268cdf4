"""The phases of a run over all its samples, and what is known between them. Knows no networks, writes no answers file.

Every sample gets an answer, and every one without a picture gets a picture, whatever fails: what took their place is
named as a problem. What has a problem is not journalled, so that a restart tries it again. A phase that is told to stop
leaves the rest as it is, and says so in the outcome.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from contest.errors import Code, ContestError
from contest.items import Sample
from errors import reason_of
from submission.batches import Failure, Processed, in_batches
from submission.deadline import ANSWERING_SHARE, DRAWING_SHARE, Ending, Stopped, Watch
from submission.devices import has_room_beside, is_lost
from submission.engine import Drawing, Engine, Query
from submission.image_encoder import Encoding, Found
from submission.journal import Journal, JournalWriteError
from submission.picture_files import Flawed, PictureFiles, Writing, Written, crc_of
from submission.planning import DRAWS_A_ROUND, phase_label, plan_memory, rounds
from submission.predictions import Predictions, Reserve
from submission.progress import progress, say
from submission.report import Outcome, PhaseReport, Problem, failed_ids

MOST_DRAWS = 64

Result = TypeVar("Result")


@dataclass
class Work:
    """The samples of a run, or of one process of it, and what is done of them.

    Attributes:
        samples: those that are to be answered here.
        files: reads and writes pictures.
        predictions: knows where the pictures lie.
        reserve: is given up when the disk is full.
        watch: says when to stop.
        outcome: what comes of the work; filled as it goes on.
        after_batch: called when a batch's results are recorded.
        thread: encodes input pictures beside the model's work, one task at a time.
        fixed_batch_size: of every phase; None plans them by the free memory.
        draws: pictures drawn for each text-only sample, of which the best is kept.
        budget_share: of the time limit, up to which more than `draws` are drawn; 0 for none.
        processes: how many compute at the same time on this machine.
        found: what is not taken yet of what encoding gives, by sample id.
        turn: held while the model computes, where encoding must not compute meanwhile.
        codes: of input pictures, int64 `[I]` by sample id.
        absent: ids of samples whose picture counts as none.
        troubled: ids of samples with a problem, or whose picture could not be encoded or drawn in time.
        batch_sizes: by phase.
        writing: pictures drawn that are not recorded yet.

    """

    samples: Sequence[Sample]
    files: PictureFiles
    predictions: Predictions
    reserve: Reserve
    engine: Engine
    journal: Journal
    watch: Watch
    outcome: Outcome
    after_batch: Callable[[], None]
    thread: Executor
    fixed_batch_size: int | None = None
    draws: int = 1
    budget_share: float = 0.0
    processes: int = 1
    found: dict[str, Future[Found]] = field(default_factory=dict)
    turn: contextlib.AbstractContextManager[Any] = field(default_factory=contextlib.nullcontext)
    codes: dict[str, Tensor] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    troubled: set[str] = field(default_factory=set)
    batch_sizes: dict[str, int] = field(default_factory=dict)
    writing: Writing = field(default_factory=Writing)

    def do_all(self) -> None:
        """Run all phases, each over what the journal does not have yet; texts come before pictures where they can."""
        on_drawing = self.engine.profile.answer_on_drawing
        self.troubled |= failed_ids(self.outcome.problems)
        beside = has_room_beside(self.engine.networks.device, self.processes)
        self._plan(beside)
        self.restore()
        with self._encoding(beside):
            if on_drawing:  # who is drawn for, and answered afterwards, depends on which pictures count as none
                with contextlib.suppress(Stopped):
                    self.watch.during(DRAWING_SHARE, lambda: self._take_codes(self.samples))
                self._take_codes(self.samples, wait=False)
            else:
                self.answer([sample for sample in self.samples if not sample.has_image])
            self.answer([sample for sample in self.samples if not (on_drawing and self._wants_picture(sample))])
        self.draw()
        if on_drawing:
            self.answer(self.samples)
        self.improve()

    def _plan(self, beside: bool) -> None:
        """Choose the batch sizes, and say so."""
        phases = ("restore", "encode", "answer", "draw", "improve")
        if self.fixed_batch_size is not None:
            self.batch_sizes = dict.fromkeys(phases, self.fixed_batch_size)
            return
        done = self.journal
        counts = {
            "restore": sum(sample.id in done.drawings for sample in self.samples),
            "encode": sum(sample.has_image and sample.id not in done.answers for sample in self.samples),
            "answer": sum(sample.id not in done.answers for sample in self.samples),
            "draw": sum(not sample.has_image and sample.id not in done.drawings for sample in self.samples),
            "improve": sum(not sample.has_image for sample in self.samples),
        }
        # A picture that counts as none is drawn after all, and is not counted here.
        counts["draw"] += self.engine.profile.black_is_absent * counts["encode"]
        several = DRAWS_A_ROUND if self.draws > 1 or self.budget_share > 0 else 1
        planned = plan_memory(self.engine.networks, counts, several, self.processes, beside=beside)
        self.batch_sizes = {phase.need.phase: phase.batch for phase in planned.phases}
        self.outcome.memory = planned.to_json()
        if self.outcome.process == 0:
            say(str(planned))

    def restore(self) -> None:
        """Take over what the journal tells of; render pictures anew whose files are gone or of another run."""
        answers = self.journal.answers
        self.outcome.answers.update({sample.id: answers[sample.id] for sample in self.samples if sample.id in answers})
        drawn = [sample for sample in self.samples if sample.id in self.journal.drawings]
        self.outcome.pictured.update(sample.id for sample in drawn if self._has_its_picture(sample))
        lost = [sample for sample in drawn if sample.id not in self.outcome.pictured]
        undrawn = [sample for sample in self.samples if sample.id not in self.outcome.pictured]
        self.predictions.lay_pictures(undrawn, replace=True)
        self.after_batch()

        def work(batch: Sequence[Sample]) -> list[NDArray[np.uint8]]:
            return self.engine.render([self.journal.drawings[sample.id] for sample in batch])

        def keep(sample: Sample, rgb: NDArray[np.uint8]) -> None:
            drawing = Drawing(self.journal.drawings[sample.id], rgb)
            self._keep_drawing(sample, drawing, self.journal.draws[sample.id])

        if lost:  # what fails here is drawn again
            self._phase("restore", lost, work, keep, DRAWING_SHARE)

    @contextlib.contextmanager
    def _encoding(self, beside: bool) -> Iterator[None]:
        """Have input pictures encoded meanwhile, for the samples that are still to be answered."""
        encoding = Encoding(
            [sample for sample in self.samples if sample.has_image and sample.id not in self.outcome.answers],
            self.files,
            self.engine,
            self.batch_sizes.get("encode", 1),
            beside=beside,
            go_on=lambda: self.watch.check(DRAWING_SHARE),
            thread=self.thread,
            shown=self.outcome.process == 0,
        )
        self.found, self.turn = dict(encoding.found), encoding.turn
        try:
            yield
        finally:
            processed = encoding.end()
        self._take_codes(self.samples, wait=False)
        self._ended(processed)
        self.outcome.phases["encode"] = encoding.report(processed)

    def _take_codes(self, samples: Sequence[Sample], wait: bool = True) -> None:
        """Have the codes of the samples' pictures at hand; without waiting, what is not there is given up."""
        for sample in samples:
            future = self.found.get(sample.id)
            if future is None:  # it has no picture, or it was taken before
                continue
            try:
                if wait or future.done():
                    self._keep_codes(sample, future.result())
                else:
                    self.troubled.add(sample.id)
            except CancelledError:  # its turn never came
                self.troubled.add(sample.id)
            del self.found[sample.id]

    def _keep_codes(self, sample: Sample, found: Found) -> None:
        instead = "answered from its text alone"
        if isinstance(found, ContestError):
            self._trouble(sample, Problem.of(found, "picture", instead, sample.id))
        elif isinstance(found, Failure):
            self._problem(sample, "encode", found.error, instead, found.trace)
        elif found is None:
            self.absent.add(sample.id)
        elif isinstance(found, Flawed):
            self._trouble(sample, Problem.of(found.flaw, "picture", "answered to what can be seen of it", sample.id))
            self.codes[sample.id] = found.content
        else:
            self.codes[sample.id] = found

    def answer(self, samples: Sequence[Sample]) -> None:
        """Texts for those of the samples that have none yet."""
        waiting = [sample for sample in samples if sample.id not in self.outcome.answers]

        def work(batch: Sequence[Sample]) -> list[str]:
            self._take_codes(batch)
            queries = [self._query(sample) for sample in batch]
            with self.turn:
                return self.engine.answer(queries)

        def keep(sample: Sample, text: str) -> None:
            self.outcome.answers[sample.id] = text
            if sample.id not in self.troubled:
                self._record(lambda: self.journal.add_answer(sample.id, text))

        for failure in self._phase("answer", waiting, work, keep, ANSWERING_SHARE):
            sample, text = failure.entry, self.engine.profile.empty_answer
            self.outcome.answers[sample.id] = text
            self._problem(sample, "answer", failure.error, f"answered {text!r}", failure.trace)

    def draw(self) -> None:
        """Pictures for all samples that came without one."""
        waiting = [sample for sample in self.samples if self._wants_picture(sample)]

        def work(batch: Sequence[Sample]) -> list[Drawing]:
            return self.engine.draw([Query(sample.id, sample.texts) for sample in batch])

        for failure in self._phase("draw", waiting, work, self._keep_drawing, DRAWING_SHARE):
            self._problem(failure.entry, "draw", failure.error, "a plain grey picture is written", failure.trace)
        self.troubled.update(sample.id for sample in waiting if sample.id not in self.outcome.pictured)

    def improve(self) -> None:
        """More draws for samples that have a picture; the best one stays. Shorter texts come first.

        Only a drawing task's pictures count, and nothing tells which samples are of one; but its texts are captions,
        and a question with its passage is longer.
        """
        drawn = [sample for sample in self.samples if sample.id in self.outcome.pictured and not sample.has_image]
        drawn.sort(key=lambda sample: sum(map(len, sample.texts)))
        spending = self.budget_share > 0
        for stop in rounds(MOST_DRAWS if spending else self.draws):
            share = self.budget_share if stop > self.draws else DRAWING_SHARE
            for start in sorted({self.journal.draws[sample.id] for sample in drawn} & set(range(stop))):
                waiting = [sample for sample in drawn if self.journal.draws[sample.id] == start]
                if not self._improve(waiting, range(start, stop), min(share, DRAWING_SHARE)):
                    return

    def _improve(self, waiting: Sequence[Sample], draws: range, share: float) -> bool:
        """One round of draws; return whether there is time for another."""

        def work(batch: Sequence[Sample]) -> list[tuple[Drawing, bool]]:
            queries = [Query(sample.id, sample.texts) for sample in batch]
            return self.engine.improve(queries, [self.journal.drawings[sample.id] for sample in batch], draws)

        def keep(sample: Sample, found: tuple[Drawing, bool]) -> None:
            drawing, is_new = found
            if is_new:
                self._keep_drawing(sample, drawing, draws.stop)
            else:
                codes, crc = self.journal.drawings[sample.id], self.journal.crcs[sample.id]
                self._record(lambda: self.journal.add_drawing(sample.id, codes, crc, draws.stop))

        before = self.outcome.ending, self.outcome.error
        failures = self._phase("improve", waiting, work, keep, share)
        for failure in failures:
            self._problem(failure.entry, "improve", failure.error, "its first picture stays", failure.trace)
        if draws.stop > self.draws and self.outcome.ending is Ending.TIME_LIMIT:
            self.outcome.ending, self.outcome.error = before  # the budget is spent, as it should be
            return False
        return not failures and self.outcome.ending is Ending.FINISHED

    def _wants_picture(self, sample: Sample) -> bool:
        had_none = not sample.has_image or sample.id in self.absent or sample.id in self.journal.drawings
        return had_none and sample.id not in self.outcome.pictured

    def _has_its_picture(self, sample: Sample) -> bool:
        return crc_of(self.predictions.picture(sample)) == self.journal.crcs[sample.id]

    def _query(self, sample: Sample) -> Query:
        codes = self.codes.get(sample.id)
        if codes is None and self.engine.profile.answer_on_drawing:
            codes = self.journal.drawings.get(sample.id)
        return Query(sample.id, sample.texts, codes)

    def _keep_drawing(self, sample: Sample, drawing: Drawing, draws: int = 1) -> None:
        """Have the picture written; it is recorded afterwards: a record never tells of a picture that is not there."""
        crc = self.files.write(self.predictions.picture(sample), drawing.rgb)
        self.writing.add(Written(sample, drawing.codes, draws, crc))

    def _record_written(self, leave: int) -> None:
        """Record the pictures that are written by now; wait until at most `leave` are not."""
        full = self._settle(self.writing.take(leave))
        if full:  # nothing more is drawn, but what can be answered is
            self._settle(self.writing.take(0))  # these must not take the room that is kept for the last files
            self.reserve.release()
            self._stopped(Ending.STORAGE, full)
            raise Stopped(Ending.STORAGE)

    def _settle(self, done: Sequence[Written]) -> str:
        """Record pictures that are written, and tell of those that could not be; return the error of a full disk."""
        full = ""
        for written in done:
            error = written.crc.exception()
            if error is None:
                entry = written.sample.id, written.codes, written.crc.result(), written.draws
                self._record(functools.partial(self.journal.add_drawing, *entry))
                self.outcome.pictured.add(written.sample.id)
                continue
            if not isinstance(error, ContestError):
                raise error
            lost = "the picture drawn is lost, and what was there stays"
            self._trouble(written.sample, Problem.of(error, "draw", lost, written.sample.id))
            full = str(error) if error.code is Code.DISK_FULL else full
        return full

    def _record(self, write: Callable[[], None]) -> None:
        """Write to the journal; the run goes on without one that can not be written any more."""
        try:
            write()
        except JournalWriteError as error:
            instead = "the run goes on; a restart will have to do again what is done from here on"
            self.outcome.problems.append(Problem(None, "journal", reason_of(error), instead))

    def _stopped(self, ending: Ending, error: str = "") -> None:
        if list(Ending).index(ending) > list(Ending).index(self.outcome.ending):
            self.outcome.ending, self.outcome.error = ending, error

    def _ended(self, processed: Processed[Sample]) -> None:
        """Note how a phase ended, if it was before its time."""
        if processed.stopped is None:
            return
        lost = processed.stopped is Ending.DEVICE_LOST
        self._stopped(processed.stopped, processed.failures[-1].error if lost and processed.failures else "")
        if lost:
            self.watch.end(Ending.DEVICE_LOST)

    def _after_batch(self, leave: int) -> None:
        self._record_written(leave)
        self._record(self.journal.sync)
        self.after_batch()

    def _problem(self, sample: Sample, phase: str, error: str, instead: str, trace: str = "") -> None:
        self._trouble(sample, Problem(sample.id, phase, error, instead, trace))

    def _trouble(self, sample: Sample, problem: Problem) -> None:
        self.outcome.problems.append(problem)
        self.troubled.add(sample.id)

    def _phase(
        self,
        name: str,
        waiting: Sequence[Sample],
        work: Callable[[Sequence[Sample]], Sequence[Result]],
        keep: Callable[[Sample, Result], None],
        share: float,
    ) -> list[Failure[Sample]]:
        """Run one phase over the waiting samples, within a share of the time, and report on it; return what failed."""
        device = self.engine.networks.device
        size = self.batch_sizes.get(name, 1)
        started, steps_before = time.monotonic(), self.engine.steps
        with progress(phase_label(name, waiting), len(waiting), shown=self.outcome.process == 0) as advance:

            def keep_and_count(sample: Sample, result: Result) -> None:
                keep(sample, result)
                advance()

            processed = in_batches(
                waiting,
                size,
                lambda batch: self.watch.during(share, lambda: work(batch)),
                keep_and_count,
                after_batch=lambda: self._after_batch(leave=size),
                is_lost=lambda: is_lost(device),
            )
        self._ended(processed)
        with contextlib.suppress(Stopped):  # the disk is full, which the outcome knows by now
            self._after_batch(leave=0)
        phase = PhaseReport(
            samples=len(waiting),
            failed=len(processed.failures),
            seconds=time.monotonic() - started,
            steps=self.engine.steps - steps_before,
            batch_size=size,
            last_batch_size=processed.last_size,
        )
        before = self.outcome.phases.get(name)
        self.outcome.phases[name] = phase if before is None else before.then(phase)
        self.outcome.rescued, self.outcome.not_finite = self.engine.rescued, self.engine.not_finite
        return processed.failures
