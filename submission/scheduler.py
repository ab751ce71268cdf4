"""The phases of a run over all its samples, in their order; what comes of them is recorded in the run state.

Every sample gets an answer, and every one without a picture gets a picture, whatever fails: what took their place is
named as a problem. A phase that is asked to stop leaves the rest as it is, and the state says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from contest.errors import ContestError
from contest.items import Sample
from contest.selection import Selection, merged, where
from contest.stored_samples import InputChangedError, with_picture
from errors import described
from submission.batches import BatchSize, Failure, process_batches
from submission.crops import asks_what_is_written
from submission.deadline import ANSWERING_SHARE, DRAWING_SHARE, Deadline, RunStatus, RunStopped
from submission.devices import has_room_to_overlap, is_lost
from submission.engine import Engine, GeneratedImage, GeneratedText, Query
from submission.first_askings import FirstAskings
from submission.image_encoder import EncodedPicture, EncoderThread, PromisedPictures
from submission.improving import AskAgain, CaptionAgain, DrawAgain, Payoff, ReadCrops, Turn, Way, more_captions_wanted
from submission.peers import PeerProcesses
from submission.picture_files import BlackPicture, FlawedPicture, PictureFiles, QueuedImage
from submission.planning import IMAGES_A_ROUND, phase_label, plan_memory
from submission.predictions import PredictionsFile
from submission.progress import progress, say
from submission.recorded_images import CodesTable
from submission.report import PhaseReport, RunProblem
from submission.run_state import RunState
from submission.sessions import PhaseCost
from submission.settings import RunSettings
from submission.tables import IdSet, known_to

PHASES = ("restore", "encode", "answer", "draw", "ask again", "read crops", "captions", "improve")

Result = TypeVar("Result")


@dataclass
class Scheduler:
    """Runs the phases over the samples of a run, or of one process of it.

    Only what a batch computes runs inside `deadline.during`, and may be interrupted; recording never is.

    Attributes:
        settings: what the run is asked to do.
        state: the samples, and what is known of them.
        engine: computes.
        files: reads and writes pictures.
        predictions: the answers file, which knows where pictures lie.
        peers: the other processes.
        deadline: says when to stop.
        thread: encodes input pictures while the model works, one task at a time.
        batch_sizes: by phase.
        compute_lock: held while the model computes, where encoding must not compute meanwhile.
        pending_codes: of input pictures, by sample id: what is not taken yet of what encoding gives.
        codes: of input pictures, `[I]` by sample id, in as few bytes as hold them, as long as they may be wanted.
        ids_without_image: of samples whose picture counts as none.
        first_askings: what samples that are asked again answered first, by sample id.

    """

    settings: RunSettings
    state: RunState
    engine: Engine
    files: PictureFiles
    predictions: PredictionsFile
    peers: PeerProcesses
    deadline: Deadline
    thread: Executor
    batch_sizes: dict[str, int] = field(default_factory=dict)
    compute_lock: contextlib.AbstractContextManager[Any] = field(default_factory=contextlib.nullcontext)
    pending_codes: PromisedPictures = field(init=False)
    codes: CodesTable = field(init=False)
    ids_without_image: IdSet = field(init=False)
    first_askings: FirstAskings = field(init=False)

    def __post_init__(self) -> None:
        ids = self.state.ids
        self.pending_codes, self.codes = PromisedPictures((), ids), CodesTable(ids)
        self.ids_without_image, self.first_askings = IdSet(ids), FirstAskings(ids)

    def run(self) -> None:
        """Run all phases, each over what is not done yet; texts come before pictures where they can."""
        samples, on_drawing = self.state.samples, self.engine.profile.answer_on_drawing
        overlap = has_room_to_overlap(self.engine.networks.device, self.settings.shard.count)
        self._plan(overlap)
        self._restore()
        with self._encoding(overlap):
            if on_drawing:  # who is drawn for, and answered afterwards, depends on which pictures count as none
                unfinished = self.state.unfinished(samples)
                self._wait_for_codes(unfinished, DRAWING_SHARE)
                self._take_codes(unfinished, wait=False)
            elif overlap or len(self.state.unanswered(samples)) > self.batch_sizes.get("answer", 1):  # or all at once
                self._answer(with_picture(samples, False))
            self._answer(where(samples, lambda s: not self._wants_picture(s)) if on_drawing else samples)
        self._draw()
        if on_drawing:
            self._answer(samples)
        self._improve()

    def _plan(self, overlap: bool) -> None:
        """Choose the batch sizes, and say so."""
        settings, state = self.settings, self.state
        if settings.batch_size is not None:
            self.batch_sizes = dict.fromkeys(PHASES, settings.batch_size)
            return
        unanswered, text_only = state.unanswered(state.samples), with_picture(state.samples, False)
        counts = {
            "restore": len(known_to(state.images, state.samples)),
            "encode": len(self._to_encode()),
            "answer": len(unanswered) + len(state.first_answers),
            "draw": len(known_to(state.images, text_only, False)),
            "improve": len(text_only),
            "captions": len(more_captions_wanted(state, self.engine.profile.captions, spare=settings.time_budget > 0)),
        }
        # A picture that counts as none is drawn after all, and is not counted here.
        counts["draw"] += self.engine.profile.black_is_absent * counts["encode"]
        several = IMAGES_A_ROUND if settings.num_images > 1 or settings.time_budget > 0 else 1
        networks, widest = self.engine.networks, self.engine.window.widest
        planned = plan_memory(networks, counts, several, settings.sharing, overlap=overlap, window=widest)
        self.batch_sizes = {phase.need.phase: phase.batch for phase in planned.phases}
        self.batch_sizes["ask again"] = self.batch_sizes.get("answer", 1)  # it takes what answering does
        self.batch_sizes["read crops"] = min(self.batch_sizes["ask again"], self.batch_sizes.get("encode", 1))
        state.memory = planned.to_json()
        if state.is_first:
            say(str(planned))

    def _restore(self) -> None:
        """Render pictures anew that a journal tells of, and whose files are gone or of another run."""
        state = self.state
        recorded = known_to(state.images, state.samples)
        for sample in where(recorded, lambda sample: self.predictions.holds(sample, state.images[sample.id])):
            state.pictured.add(sample.id)
        self.predictions.write_fallback_images(self._without_picture(state.samples), replace=True)
        self.predictions.refresh(state, self.peers)
        lost = self._without_picture(recorded)

        def render(batch: Sequence[Sample]) -> list[NDArray[np.uint8]]:
            return self.engine.render([state.images[sample.id].codes for sample in batch])

        if lost:
            for sample, rgb in self._phase("restore", lost, render, DRAWING_SHARE):
                if not isinstance(rgb, Failure):  # what fails here is drawn again
                    image = state.images[sample.id]
                    self._write_image(sample, GeneratedImage(image.codes, rgb), image.num_images)

    @contextlib.contextmanager
    def _encoding(self, overlap: bool) -> Iterator[None]:
        """Have input pictures encoded meanwhile, for the samples that are still to be answered."""
        encoder = EncoderThread(
            self._to_encode(),
            self.files,
            self.engine,
            self.batch_sizes.get("encode", 1),
            overlap=overlap,
            deadline=self.deadline,
            thread=self.thread,
            shown=self.state.is_first,
            ids=self.state.ids,
        )
        self.pending_codes, self.compute_lock = encoder.results, encoder.compute_lock
        try:
            yield
            # What an earlier run answered is asked again with its picture; what is left then, only spare time is for.
            due = known_to(self.state.first_answers, self.state.samples)
            more = more_captions_wanted(self.state, self.engine.profile.captions, spare=False)
            self._wait_for_codes(merged(due, more), ANSWERING_SHARE)
            self._wait_for_codes(self.state.samples, self.settings.budget_share, spare=True)
        finally:
            status, error = encoder.end()
        self._take_codes(self.state.samples, wait=False)
        self.pending_codes = PromisedPictures((), self.state.ids)
        self._end(status, error)
        self.state.add_phase("encode", encoder.report())

    def _wait_for_codes(self, samples: Sequence[Sample], share: float, *, spare: bool = False) -> None:
        """Have the codes of the samples' pictures at hand, in a share of the time; `spare` as `_phase` has it."""
        started = time.monotonic()
        try:
            self.deadline.during(share, lambda: self._take_codes(samples))
        except RunStopped as stopped:
            is_excused = spare and stopped.status is RunStatus.TIME_LIMIT
            if not is_excused and known_to(self.pending_codes, samples):
                self._end(stopped.status, "")
        self.state.log.session.spend("encode", PhaseCost(0, time.monotonic() - started, 0))

    def _take_codes(self, samples: Sequence[Sample], wait: bool = True) -> None:
        """Have the codes of the samples' pictures at hand; without waiting, what is not there is given up."""
        for sample in known_to(self.pending_codes, samples):  # others have no picture, or it was taken before
            future = self.pending_codes[sample.id]
            try:
                if wait or future.done():
                    self._keep_codes(sample, future.result())
                else:
                    self.state.failed_ids.add(sample.id)
            except CancelledError:  # its turn never came
                self.state.failed_ids.add(sample.id)
            del self.pending_codes[sample.id]
            if sample.id not in self.codes:  # an earlier run saw its picture: asked without it, it would not be better
                self.state.keep_first_answer(sample)

    def _keep_codes(self, sample: Sample, encoded: EncodedPicture) -> None:
        is_answered = sample.id in self.state.answers
        text_alone = "its first answer stays" if is_answered else "answered from its text alone"
        if isinstance(encoded, ContestError):
            self.state.add_problem(RunProblem.of(encoded, "picture", text_alone, sample.id))
        elif isinstance(encoded, Failure):
            self.state.record_failure(sample, "encode", encoded, text_alone)
        elif isinstance(encoded, BlackPicture):
            self.ids_without_image.add(sample.id)
            if encoded.flaw is not None:
                absent = "it is black so, and counts as no picture"
                self.state.add_problem(RunProblem.of(encoded.flaw, "picture", absent, sample.id))
        elif isinstance(encoded, FlawedPicture):
            visible = "answered to what can be seen of it"
            self.state.add_problem(RunProblem.of(encoded.flaw, "picture", visible, sample.id))
            self.codes[sample.id] = encoded.content
        else:
            self.codes[sample.id] = encoded

    def _answer(self, samples: Sequence[Sample]) -> None:
        """Texts for those of the samples that have none yet."""

        def answer(batch: Sequence[Sample]) -> list[GeneratedText]:
            self._take_codes(batch)
            queries = [self._query(sample) for sample in batch]
            with self.compute_lock:
                return self.engine.answer(queries)

        for sample, answered in self._phase("answer", self.state.unanswered(samples), answer, ANSWERING_SHARE):
            if isinstance(answered, Failure):
                self.state.record_unanswered(sample, answered, self.engine.profile.empty_answer)
            else:
                if answered.first is not None:
                    self.first_askings[sample.id] = answered.first
                again = answered.first is not None or (sample.id in self.files.oblong and self._is_read_again(sample))
                self.state.record_answer(sample, answered.text, answered.cut, again=again)
                if not again and self.engine.profile.captions is None:
                    self.codes.pop(sample.id, None)  # nobody asks about the picture any more

    def _to_encode(self) -> Selection[Sample]:
        """Samples whose picture is needed: those without a final answer, then those of which captions may be drawn."""
        choice, spare_too = self.engine.profile.captions, self._has_spare_time()
        more = [more_captions_wanted(self.state, choice, spare=spare) for spare in (False, True)[: 1 + spare_too]]
        return merged(self.state.unfinished(with_picture(self.state.samples)), *more)

    def _has_spare_time(self) -> bool:
        """Whether the time budget is not over yet."""
        with contextlib.suppress(RunStopped):
            return self.settings.time_budget > 0 and self.deadline.check(self.settings.budget_share) > 0
        return False

    def _draw(self) -> None:
        """Pictures for all samples that came without one."""
        waiting = where(self._without_picture(self.state.samples), self._wants_picture)

        def generate(batch: Sequence[Sample]) -> list[GeneratedImage]:
            return self.engine.generate([Query(sample.id, sample.texts) for sample in batch])

        for sample, image in self._phase("draw", waiting, generate, DRAWING_SHARE):
            if isinstance(image, Failure):
                self.state.record_failure(sample, "draw", image, "a plain grey picture is written")
            else:
                self._write_image(sample, image)
        self.state.failed_ids.update(sample.id for sample in self._without_picture(waiting))

    def _improve(self) -> None:
        """Better what the samples have, the way that pays most a second first, until nothing is left or time is up."""
        settings, state, payoff = self.settings, self.state, Payoff()
        first = known_to(state.first_answers, state.samples)
        read = where(first, self._is_read_again)
        asked = where(first, lambda sample: not self._is_read_again(sample))
        ways: tuple[Way, ...] = (
            AskAgain(asked, state, self.engine, self._query, self.first_askings),
            ReadCrops(read, state, self.engine, self._query, self.files.squares),
            CaptionAgain(settings, state, self.engine, self._query, self.codes.keys()),
            DrawAgain(settings, state, self.engine, self._write_image),
        )
        over: set[str] = set()
        while turns := [turn for way in ways if (turn := way.turn()) is not None and turn.phase not in over]:
            turn = payoff.next_turn(turns, lambda phase: self.batch_sizes.get(phase, 1))
            if not self._take(turn, payoff):
                over.add(turn.phase)

    def _take(self, turn: Turn, payoff: Payoff) -> bool:
        """Take a turn; return whether there is time for another of its phase: answering goes on when drawing stops."""
        draws = turn.phase == "improve"
        share = DRAWING_SHARE if draws else ANSWERING_SHARE
        share = min(self.settings.budget_share, share) if turn.spare else share
        reached, better, started = 0, 0, time.monotonic()
        for sample, result in self._phase(turn.phase, turn.samples, turn.compute, share, spare=turn.spare):
            reached += 1
            better += turn.record(sample, result)
        payoff.add(turn.phase, better, time.monotonic() - started)
        return reached == len(turn.samples) and not (draws and self.state.status is not RunStatus.FINISHED)

    def _phase(
        self,
        name: str,
        waiting: Sequence[Sample],
        compute: Callable[[Sequence[Sample]], Sequence[Result]],
        share: float,
        *,
        spare: bool = False,
    ) -> Iterator[tuple[Sample, Result | Failure]]:
        """Yield what a phase computes for the waiting samples, within a share of the time, and report on the phase.

        Whoever takes a result records it before the next one comes; after each batch what was recorded is committed.
        With `spare` the end of the time ends the phase, and not the run.
        """
        size = BatchSize(self.batch_sizes.get(name, 1))
        started, steps_before = time.monotonic(), self.engine.steps
        before, tokens_before, failed, last_error = started, steps_before, 0, ""

        def computed(batch: Sequence[Sample]) -> Sequence[Result]:
            try:
                return self.deadline.during(share, lambda: compute(batch))
            except InputChangedError as error:  # no sample that was not read by now can be
                self._end(RunStatus.INPUT_CHANGED, described(error))
                raise RunStopped(RunStatus.INPUT_CHANGED) from error

        batches = process_batches(waiting, size, computed, is_lost=lambda: is_lost(self.engine.networks.device))
        with progress(phase_label(name, waiting), len(waiting), shown=self.state.is_first) as advance:
            try:
                for batch in batches:
                    for sample, result in batch:
                        yield sample, result
                        if isinstance(result, Failure):
                            failed, last_error = failed + 1, result.error
                        else:
                            advance()
                    now, given = time.monotonic(), sum(not isinstance(result, Failure) for _, result in batch)
                    self.state.log.session.spend(
                        name, PhaseCost(given, now - before, self.engine.steps - tokens_before)
                    )
                    before, tokens_before = now, self.engine.steps
                    self._commit(leave=size.first)
            except RunStopped as stopped:
                if not (spare and stopped.status is RunStatus.TIME_LIMIT):
                    self._end(stopped.status, last_error)
        self.state.log.session.spend(name, PhaseCost(0, time.monotonic() - before, self.engine.steps - tokens_before))
        with contextlib.suppress(RunStopped):  # the disk is full, which the state knows by now
            self._commit(leave=0)
        seconds, steps = time.monotonic() - started, self.engine.steps - steps_before
        self.state.add_phase(name, PhaseReport(len(waiting), failed, seconds, steps, size.first, size.now))
        self.state.take_counts(self.engine)

    def _commit(self, leave: int) -> None:
        """Bring onto the disk what was recorded, and the answers file up to date; at most `leave` pictures may wait.

        Raises RunStopped where the disk is full: nothing more is drawn then, but what can be answered is.
        """
        disk_full = self.state.record_written(leave)
        if disk_full:
            self.state.record_written(leave=0)  # these must not take the room that is kept for the last files
            self.predictions.reserve.release()
            self.state.end(RunStatus.STORAGE, disk_full)
            raise RunStopped(RunStatus.STORAGE)
        self.state.sync()
        self.predictions.refresh(self.state, self.peers)

    def _end(self, status: RunStatus, error: str) -> None:
        """Note why a phase ended, if it was before its time; without the device or the input all of them end."""
        ends_all = status in (RunStatus.DEVICE_LOST, RunStatus.INPUT_CHANGED)
        self.state.end(status, error if ends_all else "")
        if ends_all:
            self.deadline.end(status)

    def _write_image(self, sample: Sample, image: GeneratedImage, num_images: int = 1) -> None:
        """Have a picture written; it is recorded when it is."""
        crc = self.files.write(self.predictions.picture(sample), image.rgb)
        self.state.queue.add(QueuedImage(sample, image.codes, num_images, crc))

    def _wants_picture(self, sample: Sample) -> bool:
        had_none = not sample.has_image or sample.id in self.ids_without_image or sample.id in self.state.images
        return had_none and sample.id not in self.state.pictured

    def _without_picture(self, samples: Sequence[Sample]) -> Selection[Sample]:
        return known_to(self.state.pictured, samples, False)

    def _is_read_again(self, sample: Sample) -> bool:
        """Whether the text in a sample's picture is read again, if that is not square."""
        return self.engine.profile.crops and sample.id in self.codes and asks_what_is_written(sample.texts)

    def _query(self, sample: Sample) -> Query:
        codes = self.codes.get(sample.id)
        drawn = codes is None and self.engine.profile.answer_on_drawing and sample.id in self.state.images
        return Query(sample.id, sample.texts, self.state.images[sample.id].codes if drawn else codes, drawn)
