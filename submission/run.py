"""The whole of a run: read the input, do the work, write predictions and report."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import InitVar, asdict, dataclass
from pathlib import Path
from typing import Any

from contest.console import counted
from contest.emissions.run_energy import MeterRow
from contest.errors import Code, ContestError, quote
from contest.items import Item, Sample
from contest.limits import IMAGES_DIR, INPUT_NAME
from contest.shares import ShareRecord, begin_share
from contest.stored_samples import InputChangedError, StoredSamples, stored_input, with_picture
from contest.writing import write_json
from errors import UserError, code_of, described, reason_of
from models.files import ModelFileError
from models.rudolph.free_memory import is_out_of_memory
from models.rudolph.step_graphs import StepGraphs
from models.rudolph.window_width import WindowWidth
from models.weights import file_sha256
from submission.cost import cost_of
from submission.deadline import ANSWERING_SHARE, COLLECTING_SHARE, Deadline, RunStatus, RunStopped
from submission.engine import Engine
from submission.journal import (
    Journal,
    JournalInUseError,
    JournalRecords,
    as_recorded,
    configuration_of,
    journal_name,
    read_journals,
)
from submission.loading import Networks, fingerprint, load_networks
from submission.peers import LAST_SECONDS, PeerProcesses, pause
from submission.picture_files import PictureFiles
from submission.predictions import PredictionsFile
from submission.progress import say, warn
from submission.report import RUN_REPORT_NAME, RunProblem, RunSummary, answers_and_pictures, describe
from submission.run_state import RunState
from submission.scheduler import Scheduler
from submission.sessions import Session, SessionLog, read_sessions
from submission.settings import RunSettings
from submission.share_pictures import begin_with_pictures, go_on_with_pictures
from submission.shares import CODE_ROOM, end_share, of_share
from submission.tables import IdSet, SampleIds, known_to

MAX_NAMED = 5


def run(settings: RunSettings, meter: MeterRow | None = None) -> RunSummary:
    """Answer and draw all samples of an input file; write `predictions.json`, `images/` and `run.json`.

    Whatever happens once the input is read, `predictions.json` has a valid answer for every sample, and the report
    says what is missing. Of several processes the first one writes them, or another one where that is gone; otherwise
    the others return a report of their share. `meter` says where the energy of the run is written down, if it is.

    Raises ContestFileError for an input file that is no JSON object, ContestError or OSError for an output folder
    that can not be written, JournalInUseError, ShareError. Everything else that goes wrong is in the report.
    """
    started = time.monotonic()
    input_file = settings.input / INPUT_NAME if settings.input.is_dir() else settings.input
    folder = next(each for each in (settings.output.absolute(), *settings.output.absolute().parents) if each.is_dir())
    with stored_input(input_file, folder) as parsed:
        valid = parsed.valid if parsed.errors else {}
        samples = parsed.samples
        for sample in without_items(valid, parsed.errors):
            samples.hold(sample)
        own, errors = of_share(settings.share, samples, parsed.errors)
        problems = [
            RunProblem.of(error, "read", _fallback(error, error.sample_id in valid), error.sample_id)
            for error in errors
        ]
        of_run = samples if settings.share.is_whole else samples.only(own.places)
        return _run(settings, meter, started, InputFile(input_file, file_sha256(parsed.path)), of_run, problems)


@dataclass(frozen=True)
class InputFile:
    """An input file, as it is called, and the hash of what was read from it."""

    path: Path
    sha256: str


def _run(
    settings: RunSettings,
    meter: MeterRow | None,
    started: float,
    input_file: InputFile,
    samples: StoredSamples,
    problems: list[RunProblem],
) -> RunSummary:
    shard = settings.shard
    record = None
    if not settings.share.is_whole:
        record = begin_share(settings.output.parent, settings.share, CODE_ROOM)
    (settings.output / IMAGES_DIR).mkdir(parents=True, exist_ok=True)
    samples.spool.keep_in(settings.output)  # where it is not yet, as there was no folder to write in
    # Of several processes another one may just be writing in the place of the first, as long as that has not begun.
    patience = LAST_SECONDS if shard.count > 1 and shard.is_first else 0.0
    with (
        Deadline(settings.time_limit, started) as deadline,
        Journal(settings.output, shard.number, patience) as journal,
        ThreadPoolExecutor(1, "encoding") as thread,  # what it does when a run ends early is waited for at the very end
    ):
        if record is not None and shard.is_first:
            begin_with_pictures(record, samples, input_file.path.parent)
            record.write()
        elif record is not None:
            go_on_with_pictures(record, shard.of(samples), input_file.path.parent)
        log = SessionLog(settings.output, Session(shard.number, meter), started)
        process = _RunProcess(settings, input_file, samples, deadline, journal, log, thread, record)
        process.begin(problems)
        process.work()
        return process.finish()


@dataclass
class _RunProcess:
    """One process of a run, or the only one: what it needs from its beginning to its end."""

    settings: RunSettings
    input_file: InputFile
    samples: StoredSamples
    deadline: Deadline
    journal: InitVar[Journal]
    log: InitVar[SessionLog]
    thread: Executor
    record: ShareRecord | None = None

    def __post_init__(self, journal: Journal, log: SessionLog) -> None:
        settings, samples = self.settings, self.samples
        output, shard = settings.output, settings.shard
        self.ids = SampleIds(samples.ids, output)
        self.state = RunState(shard.number, describe(settings.device), shard.of(samples), journal, log, self.ids)
        self.state.window = settings.window
        self.predictions = PredictionsFile(output, samples, settings.profile.empty_answer, ids=self.ids)
        self.configuration = _configuration(settings, self.input_file.sha256)  # complete when the weights are loaded
        self.peers = PeerProcesses(output, shard, self.configuration, self.ids)
        self.pictures_are_ours = False
        self.fault: Exception | None = None

    def begin(self, problems: list[RunProblem]) -> None:
        """Have a valid answer for every sample before anything is done: an earlier run's on this input, or a fallback.

        Each process takes care of the pictures of its own share: nobody else draws those meanwhile.
        """
        shard, output = self.settings.shard, self.settings.output
        if shard.count > 1:
            self.peers.begin()
        earlier, stays = self._known(), self._file_is_ours()
        self.pictures_are_ours = stays
        if shard.is_first:
            _warn_of_oddities(self.settings, self.input_file.path, self.samples)
            for problem in problems:
                self.state.add_problem(problem)
            self.predictions.keep_earlier(earlier.answers, file=stays)
            self.predictions.write_fallbacks(self._drawn(earlier))
            (output / RUN_REPORT_NAME).unlink(missing_ok=True)  # an earlier run's
            self.predictions.reserve.take()
        if not stays:
            drawn = self._drawn(earlier)
            undrawn = known_to(drawn, self.state.samples, False)
            self.predictions.write_fallback_images(undrawn, replace=True)

    def work(self) -> None:
        """Load the networks and do this process's share; whatever happens is in the state."""
        settings, state = self.settings, self.state
        try:
            networks = self.deadline.during(ANSWERING_SHARE, self._load)
            self.peers.earlier = state.resume(self.configuration)
            if not state.journal.continues:
                self.predictions.keep_earlier({}, file=False)
            if settings.shard.is_first:
                _say_start(state.journal, self.peers.earlier)
            profile = settings.profile
            with PictureFiles(
                self.input_file.path.parent, networks.side, profile.jpeg_quality, published=profile.published_pictures
            ) as files:
                window = WindowWidth.chosen(settings.window, settings.device)
                graphs = StepGraphs.automatic(settings.device) if settings.graphs else StepGraphs()
                engine = Engine(networks, profile, settings.seed, window, graphs)
                Scheduler(
                    settings, state, engine, files, self.predictions, self.peers, self.deadline, self.thread
                ).run()
        except RunStopped as stopped:
            state.end(stopped.status)
        except InputChangedError as error:
            state.end(RunStatus.INPUT_CHANGED, described(error))
        except Exception as error:  # whatever it is, what was done is written, and the summary says what it was
            said = described(error) if isinstance(error, UserError | OSError) else reason_of(error)
            state.end(RunStatus.FAILED, said, traceback.format_exc())
            if not isinstance(error, UserError | OSError) and not is_out_of_memory(error):
                self.fault = error

    def finish(self) -> RunSummary:
        """Write what this process leaves behind: the first one what all of them did, when the others are done.

        Where the first one is gone, or never came, each of the others does so at its end, with what it knows by then.
        """
        if self.settings.shard.is_first:
            self._wait_for_peers()
            return self._write()
        self.state.note_cost()
        self.state.seconds = time.monotonic() - self.deadline.started
        delivered = self.peers.hand_in(self.state)
        if not self.peers.first_is_at_work:
            with contextlib.suppress(JournalInUseError), Journal(self.settings.output, patience=LAST_SECONDS):
                if not delivered or not self.peers.result_was_taken:
                    self.predictions.keep_earlier({}, file=self._file_is_ours())
                    self.predictions.write_fallback_images(self.samples, replace=False)
                    self.peers.poll(math.inf, patience=0.0)
                    return self._write()
        return RunSummary(self.configuration, self.state.samples, [self.state], ids=self.ids)

    def _wait_for_peers(self) -> None:
        """Wait for what the other processes hand in; those that are asked to stop meanwhile get some last seconds."""
        began = time.monotonic()
        try:
            while not self.peers.poll(time.monotonic() - began):
                self.predictions.refresh(self.state, self.peers)
                self.deadline.during(COLLECTING_SHARE, pause)
        except RunStopped as stopped:
            self.state.end(stopped.status)
            began = time.monotonic()
            while not self.peers.poll(time.monotonic() - began, LAST_SECONDS):
                pause()

    def _write(self) -> RunSummary:
        """Write the last files, with all that any journal knows."""
        known = self._known()
        self.state.note_cost()
        self.state.seconds = time.monotonic() - self.deadline.started
        results = sorted([self.state, *self.peers.results()], key=lambda result: result.process)
        report = RunSummary(self.configuration, self.samples, results, self.fault, self.ids)
        report.sessions = self._sessions()
        report.cost = cost_of(len(self.samples), report.sessions)
        # What was not journalled is in the results alone; of what was, a lost process may have an older answer.
        report.take_answers(known.answers, {key: known.draws(key) for key in known.said}, earlier=True)
        report.pictured |= self._drawn(known, without=report.pictured)
        earlier = (key for key in self.predictions.earlier if key not in report.answers)
        report.earlier_answers = IdSet(self.ids, earlier)
        report.earlier_pictures = self.predictions.drawn_before(report.pictured)
        self.predictions.reserve.release()
        if not self.pictures_are_ours:  # of those who never came to their share, another input's may be there
            undrawn = known_to(report.pictured, self.samples, False)
            with report.noting_failures():
                self.predictions.write_fallback_images(undrawn, replace=True)
        with report.noting_failures():
            self.predictions.write(report.answers, report.pictured)
        with report.noting_failures():
            write_json(self.settings.output / RUN_REPORT_NAME, report.to_json(), indent=1)
            if self.record is not None:
                end_share(self.record, self.settings, report)
        if self.peers.are_done:
            self.predictions.remove_temp_files()
            self.peers.clear()
        else:  # whoever ends later writes anew
            with report.noting_failures():
                self.peers.hand_in(self.state)
        return report

    def _file_is_ours(self) -> bool:
        """Whether the answers file is of this input and, where this run knows its weights, of its configuration."""
        earlier = configuration_of(self.settings.output / journal_name(0))
        if self.configuration["weights_sha256"]:
            return earlier == as_recorded(self.configuration)
        return earlier.get("input_sha256") == self.configuration["input_sha256"]

    def _known(self) -> JournalRecords:
        """What all journals of this configuration know and the state does not, as far as they can be read."""
        try:
            return read_journals(self.settings.output, self.configuration, self.ids, self._is_news)
        except OSError as error:
            self.state.add_problem(
                RunProblem(None, "journal", code_of(error), reason_of(error), "what it knows is not used")
            )
            return JournalRecords()

    def _is_news(self, record: Mapping[str, Any]) -> bool:
        """Whether a journal's record may tell more than the state: of best answers that of the most draws counts."""
        known = self.state.pictured if record.get("phase") == "draw" else self.state.answers
        return "said" in record or record.get("id") not in known

    def _sessions(self) -> list[Session]:
        """What all sessions of this run cost, as far as that can be read; this one in any case."""
        own = self.state.log.session
        try:
            known = read_sessions(self.settings.output, self.configuration)
        except OSError as error:
            lost = "what earlier sessions cost is not counted"
            self.state.add_problem(RunProblem(None, "journal", code_of(error), reason_of(error), lost))
            known = []
        return [*(session for session in known if session.id != own.id), own]

    def _drawn(self, records: JournalRecords, without: Container[str] = ()) -> IdSet:
        """Ids of samples, but for some, whose picture on the disk is the one that is recorded."""
        recorded = IdSet(self.ids, records.images)
        waiting = (sample for sample in known_to(recorded, self.samples) if sample.id not in without)
        drawn = (each.id for each in waiting if self.predictions.holds(each, records.images[each.id]))
        return IdSet(self.ids, drawn)

    def _load(self) -> Networks:
        settings = self.settings
        if settings.ruclip is None:  # by these hashes a run that is stopped while it loads knows what is its own
            with contextlib.suppress(OSError, ModelFileError):  # what is wrong with the files, loading them says
                self.configuration["weights_sha256"] = fingerprint(settings.weights)
        networks = load_networks(settings.weights, settings.device, settings.dtype, settings.ruclip)
        if not self.configuration["weights_sha256"]:
            self.configuration["weights_sha256"] = fingerprint(settings.weights)
        if settings.shard.is_first:
            for note in networks.notes:
                say(note)
            for flaw in networks.flaws:
                warn(flaw)
        if networks.ruclip is not None:
            self.configuration["ruclip_sha256"] = networks.ruclip.weights_sha256
        return networks


def _configuration(settings: RunSettings, input_sha256: str) -> dict[str, Any]:
    """All that decides what the answers are: a journal of another configuration is of no use to this run."""
    return {
        "input_sha256": input_sha256,
        "weights_sha256": {},
        "profile": asdict(settings.profile),
        "seed": settings.seed,
        "dtype": str(settings.dtype).removeprefix("torch."),
    }


def without_items(valid: Container[str], errors: Sequence[ContestError]) -> list[Sample]:
    """The samples with errors that are not valid, without items: a scorer may fail on one that has no prediction."""
    unusable = {error.sample_id for error in errors if error.code is Code.ID_UNUSABLE}
    broken = dict.fromkeys(error.sample_id for error in errors)
    return [
        Sample(sample_id, ())
        for sample_id in broken
        if sample_id is not None and sample_id not in unusable and sample_id not in valid
    ]


def _fallback(error: ContestError, is_sound: bool) -> str:
    if error.code is Code.ID_UNUSABLE:
        return "the sample is left out"
    if error.code is Code.DUPLICATE_ID:
        return "the last sample of this id counts"
    if is_sound:
        return "the sample is answered all the same"
    return "the run goes on without it" if error.sample_id is None else "answered as a sample without items"


def _warn_of_oddities(settings: RunSettings, input_file: Path, samples: Sequence[Sample]) -> None:
    """Say what is no mistake in itself, but hardly what was meant."""
    if not samples and settings.share.is_whole:
        warn(f"{input_file} has no samples: there is nothing to answer, and predictions.json will be empty too")
    elif samples and _draws_again(settings) and not with_picture(samples, False):
        warn("every sample has a picture: nothing is drawn, once or more often")
    silent = [sample.id for sample in samples if _is_silent(sample.items)]
    if silent:
        some = ", ".join(map(quote, silent[:MAX_NAMED])) + (", ..." if len(silent) > MAX_NAMED else "")
        warn(f"{counted(len(silent), 'sample')} without any text ({some}): answered as if nothing was asked")


def _is_silent(items: Sequence[Item]) -> bool:
    """Whether there are items, and no text among them."""
    return bool(items) and not any(item.content.strip() for item in items if item.type == "text")


def _draws_again(settings: RunSettings) -> bool:
    """Whether the run is asked for more than one picture of a text; what it may spend on captions too is no such."""
    return settings.num_images > 1 or (settings.time_budget > 0 and settings.profile.captions is None)


def _say_start(journal: Journal, earlier: JournalRecords) -> None:
    if earlier.answers or earlier.images:
        say(f"going on with {journal.path}: {answers_and_pictures(len(earlier.answers), len(earlier.images))} done")
    elif journal.changed is not None:
        say(f"{journal.path} is of another run (different: {', '.join(journal.changed)}); starting anew")
