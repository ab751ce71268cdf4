"""What is known of a run's samples while it goes on: their answers, their pictures, and what went wrong with them.

This is the one truth of them in a process: phases record what they computed here, and whoever writes files or reports
reads it from here. What must survive the process goes on into the journal: an answer at once, a picture when its file
is written, and nothing of a sample that has a problem, so that a restart tries it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from contest.errors import Code, ContestError, quote
from contest.items import Sample
from contest.selection import Selection
from errors import code_of, reason_of
from submission.batches import Failure
from submission.deadline import RunStatus
from submission.engine import Engine
from submission.journal import Journal, JournalRecords, JournalWriteError, draws_of
from submission.picture_files import WriteQueue
from submission.recorded_images import ImageTable, RecordedImage
from submission.report import PhaseReport, RankResult, RunProblem
from submission.sessions import SessionLog
from submission.tables import CountsTable, IdSet, SampleIds, TextTable, known_to


class RunState(RankResult):
    """What one process of a run does for its samples, as it goes on.

    Args:
        process: its number, from 0.
        device: what it computes on.
        samples: those that it is to answer.
        journal: open, and not yet resumed.
        log: of what the session costs; it is begun when the journal is resumed.
        ids: of all samples of the run, for tables; None: of those that it is to answer.

    Attributes:
        images: pictures by sample id, as they were recorded; `pictured` are those of them that are on the disk.
        failed_ids: of samples with a problem, or whose picture could not be encoded or drawn in time.
        queue: pictures that are being written, and not recorded yet.
        first_answers: ids of samples that have an answer, and are to be asked again.
        cuts: what of samples' options could not count, by sample id.
        said: all that was drawn, and how often, by sample id, where an answer is the best of several.

    """

    answers: TextTable
    pictured: IdSet

    def __init__(
        self,
        process: int,
        device: dict[str, str],
        samples: Sequence[Sample],
        journal: Journal,
        log: SessionLog,
        ids: SampleIds | None = None,
    ) -> None:
        self.ids = SampleIds([sample.id for sample in samples]) if ids is None else ids
        super().__init__(process, device, answers=TextTable(self.ids), pictured=IdSet(self.ids))
        self.samples = samples
        self.journal = journal
        self.log = log
        self.images = ImageTable(self.ids)
        self.failed_ids = IdSet(self.ids)
        self.queue = WriteQueue()
        self.first_answers = IdSet(self.ids)
        self.cuts: dict[str, str] = {}
        self.said = CountsTable(self.ids)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes the answers file and talks to people."""
        return self.process == 0

    def resume(self, configuration: dict[str, Any]) -> JournalRecords:
        """Take over what earlier runs of this configuration did for these samples; return what they did for all.

        Raises as `Journal.resume`.
        """
        records, own = (
            self.journal.resume(configuration, self.ids),
            IdSet(self.ids, (sample.id for sample in self.samples)),
        )
        with self._logging():
            self.log.begin(anew=not self.journal.continues, goes_on=bool(records.answers or records.images))
        self.answers = TextTable(self.ids)
        self.answers.update((key, text) for key, text in records.answers.items() if key in own)
        self.first_answers = IdSet(self.ids, (key for key in records.first_answers if key in own))
        self.said = CountsTable(self.ids)
        self.said.update((key, said) for key, said in records.said.items() if key in own)
        self.draws = {key: draws_of(said) for key, said in self.said.items()}
        self.images = ImageTable(self.ids)
        self.images.update((key, image) for key, image in records.images.items() if key in own)
        for key, cut in records.cuts.items():
            if key in own:
                self._name_cut(key, cut)
        return records

    def unanswered(self, samples: Sequence[Sample]) -> Selection[Sample]:
        """Those of the samples that have no answer yet."""
        return known_to(self.answers, samples, False)

    def unfinished(self, samples: Sequence[Sample]) -> Selection[Sample]:
        """Those of the samples that have no answer yet, or are to be asked again."""
        has_answer, is_first, whole = self.answers.has_row, self.first_answers.has_row, Selection.of(samples)
        return whole.that(not has_answer(row) or is_first(row) for row in self.ids.rows(whole))

    def record_answer(self, sample: Sample, text: str, cut: str = "", *, again: bool = False) -> None:
        """Record a sample's answer, and whether it is to be asked again.

        That some of its options were `cut` is a problem, and no reason to try again.
        """
        self.answers[sample.id] = text
        if again:
            self.first_answers.add(sample.id)
        if sample.id not in self.failed_ids:
            with self._journalling():
                self.journal.add_answer(sample.id, text, cut, again=again)
        if cut:
            self._name_cut(sample.id, cut)

    def record_final_answer(self, sample: Sample, text: str) -> None:
        """Record the answer of a sample that was asked again."""
        self.keep_first_answer(sample)
        if sample.id in self.cuts:  # its problem names the answer
            self.problems = [each for each in self.problems if (each.sample_id, each.phase) != (sample.id, "options")]
        self.record_answer(sample, text, self.cuts.get(sample.id, ""))

    def record_best_answer(self, sample: Sample, text: str, said: Mapping[str, int]) -> None:
        """Record the best of several answers to a sample, and what all of them were, each so often."""
        self.answers[sample.id], self.said[sample.id] = text, said
        self.draws[sample.id] = draws_of(said)
        if sample.id not in self.failed_ids:
            with self._journalling():
                self.journal.add_answer(sample.id, text, said=said)

    def keep_first_answer(self, sample: Sample) -> None:
        """Ask a sample no more in this run; where its answer is a first one, a restart will."""
        self.first_answers.discard(sample.id)

    def record_unanswered(self, sample: Sample, failure: Failure, fallback: str) -> None:
        """Record that there is no answer to a sample, and the fallback takes its place."""
        self.answers[sample.id] = fallback
        self.record_failure(sample, "answer", failure, f"answered {fallback!r}")

    def _name_cut(self, sample_id: str, cut: str) -> None:
        self.cuts[sample_id] = cut
        self.problems.append(
            RunProblem(sample_id, "options", "OPTIONS_CUT", cut, f"answered {quote(self.answers[sample_id])}")
        )

    def record_image(self, sample: Sample, image: RecordedImage) -> None:
        """Record a picture, which must be on the disk: a record never names one that is not there."""
        with self._journalling():
            self.journal.add_image(sample.id, image)
        self.images[sample.id] = image
        self.pictured.add(sample.id)

    def record_written(self, leave: int) -> str:
        """Record the queued pictures that are written by now, and wait until at most `leave` are not.

        Those that could not be written are problems. Returns the error of a full disk, or nothing.
        """
        disk_full = ""
        for written in self.queue.take(leave):
            error = written.crc.exception()
            if error is None:
                image = RecordedImage(written.codes, written.crc.result(), written.num_images)
                self.record_image(written.sample, image)
            elif isinstance(error, ContestError):
                lost = "the picture drawn is lost, and what was there stays"
                self.add_problem(RunProblem.of(error, "draw", lost, written.sample.id))
                disk_full = str(error) if error.code is Code.DISK_FULL else disk_full
            else:
                raise error
        return disk_full

    def record_failure(self, sample: Sample, phase: str, failure: Failure, fallback: str) -> None:
        """Record that a phase failed for a sample, and what it got instead."""
        self.add_problem(RunProblem(sample.id, phase, failure.code, failure.error, fallback, failure.trace))

    def add_problem(self, problem: RunProblem) -> None:
        """Record something that went wrong."""
        self.problems.append(problem)
        if problem.sample_id is not None:
            self.failed_ids.add(problem.sample_id)

    def sync(self) -> None:
        """Force what was recorded onto the disk, and note what it has cost by now."""
        with self._journalling():
            self.journal.sync()
        self.note_cost()

    def note_cost(self) -> None:
        """Write down what the session has cost by now."""
        with self._logging():
            self.log.write()

    def take_counts(self, engine: Engine) -> None:
        """Take over what the engine has counted by now."""
        window, graphs = engine.window, engine.graphs
        self.rescued, self.not_finite = engine.rescued, engine.not_finite
        self.passes, self.codes, self.near_ties = window.passes, window.codes, window.near_ties
        self.graph_steps, self.graph_problem = graphs.replayed, graphs.problem

    def add_phase(self, name: str, phase: PhaseReport) -> None:
        """Add how a phase, or another pass of it, went."""
        before = self.phases.get(name)
        self.phases[name] = phase if before is None else before.then(phase)

    def end(self, status: RunStatus, error: str = "", trace: str = "") -> None:
        """Note how the process ends; of several endings the worst stays."""
        if status.severity > self.status.severity:
            self.status, self.error, self.trace = status, error, trace

    @contextmanager
    def _journalling(self) -> Iterator[None]:
        """Let the run go on without a journal that can not be written any more."""
        try:
            yield
        except JournalWriteError as error:
            lost = "the run goes on; a restart will have to do again what is done from here on"
            self.problems.append(RunProblem(None, "journal", code_of(error), reason_of(error), lost))

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Let the run go on without a log that can not be written."""
        try:
            yield
        except OSError as error:
            lost = "the run goes on; what it costs from here on is lost if it is killed"
            self.problems.append(RunProblem(None, "journal", code_of(error), reason_of(error), lost))
