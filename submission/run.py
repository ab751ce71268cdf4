"""The whole of a run: read the input, do the work, write predictions and report. Leaves each part to its module."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from contest.errors import Code, ContestError, quote
from contest.items import Sample
from contest.limits import IMAGES_DIR, INPUT_NAME, MAX_WALL_CLOCK_SECONDS
from contest.reading import ParseResult, read_input_lenient
from contest.writing import write_json
from errors import reason_of
from models.weights import file_sha256
from submission.deadline import ANSWERING_SHARE, Ending, Stopped, Watch
from submission.engine import Engine
from submission.journal import (
    Journal,
    JournalInUseError,
    Records,
    as_recorded,
    configuration_of,
    journal_name,
    read_journals,
)
from submission.loading import Networks, fingerprint, load_networks
from submission.merging import LAST_SECONDS, Others
from submission.picture_files import PictureFiles, crc_of
from submission.predictions import Predictions, Reserve
from submission.profiles import Profile
from submission.progress import counted, say
from submission.report import RUN_REPORT_NAME, Outcome, Problem, Report, describe
from submission.scheduler import Work
from submission.sharding import ONLY, Parts, Shard

MAX_NAMED = 5


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do.

    `input` is a folder with `input.json`, or that file; `batch_size` None chooses one by the free memory;
    `time_limit` is in seconds. Of `draws` pictures a sample the best is kept; more are drawn until `time_budget`
    seconds are over, if there are any left when every sample has its answer and its picture. Which is best, the ruCLIP
    in the folder `ruclip` says, and without one RUDOLPH itself.
    """

    input: Path
    output: Path
    weights: Path
    profile: Profile
    seed: int
    device: torch.device
    dtype: torch.dtype
    batch_size: int | None = None
    time_limit: float = MAX_WALL_CLOCK_SECONDS
    draws: int = 1
    time_budget: float = 0.0
    ruclip: Path | None = None
    shard: Shard = ONLY


def run(settings: Settings) -> Report:
    """Answer and draw all samples of an input file; write `predictions.json`, `images/` and `run.json`.

    Whatever happens once the input is read, `predictions.json` has a valid answer for every sample, and the report
    says what is missing. Of several processes the first one writes them, or another one where that is gone; otherwise
    the others return a report of their share.

    Raises ContestFileError for an input file that is no JSON object, ContestError or OSError for an output folder
    that can not be written, JournalInUseError. Everything else that goes wrong is in the report.
    """
    started = time.monotonic()
    input_file = settings.input / INPUT_NAME if settings.input.is_dir() else settings.input
    parsed = read_input_lenient(input_file)
    (settings.output / IMAGES_DIR).mkdir(parents=True, exist_ok=True)
    with (
        Watch(settings.time_limit, started) as watch,
        _open_journal(settings) as journal,
        ThreadPoolExecutor(1, "encoding") as thread,  # what it does when a run ends early is waited for at the very end
    ):
        process = _Process(settings, input_file, _answerable(parsed), watch, journal, thread)
        process.begin(
            [
                Problem.of(error, "read", _instead(error, error.sample_id in parsed.valid), error.sample_id)
                for error in parsed.errors
            ]
        )
        process.work()
        return process.finish()


def _open_journal(settings: Settings) -> Journal:
    # Of several processes another one may just be writing in the place of the first, as long as that has not begun.
    shard = settings.shard
    return Journal(settings.output, shard.number, LAST_SECONDS if shard.count > 1 and shard.is_first else 0.0)


class _Process:
    """One process of a run, or the only one: what it needs from its beginning to its end."""

    def __init__(
        self,
        settings: Settings,
        input_file: Path,
        samples: list[Sample],
        watch: Watch,
        journal: Journal,
        thread: Executor,
    ) -> None:
        output, shard = settings.output, settings.shard
        self.settings = settings
        self.input_file = input_file
        self.samples = samples
        self.watch = watch
        self.journal = journal
        self.thread = thread
        self.outcome = Outcome(shard.number, describe(settings.device))
        self.predictions = Predictions(output, samples, settings.profile.empty_answer)
        self.reserve = Reserve(output, len(samples))
        self.configuration = _configuration(settings, input_file)  # complete when the weights are loaded
        self.parts = Parts(output, shard)
        self.others = Others(output, shard, journal, self.configuration)
        self.pictures_are_ours = False
        self.refreshing = shard.is_first

    def begin(self, problems: list[Problem]) -> None:
        """Have a valid answer for every sample before anything is done: an earlier run's on this input, or a fallback.

        Each process takes care of the pictures of its own share: nobody else draws those meanwhile.
        """
        shard, output = self.settings.shard, self.settings.output
        if shard.count > 1:
            self.parts.begin()
        earlier, stays = self._known(), self._file_is_ours()
        self.pictures_are_ours = stays
        if shard.is_first:
            _tell_oddities(self.settings, self.input_file, self.samples)
            self.outcome.problems += problems
            self.predictions.keep_earlier(earlier.answers, file=stays)
            self.predictions.lay(self._drawn(earlier))
            (output / RUN_REPORT_NAME).unlink(missing_ok=True)  # an earlier run's
            self.reserve.take()
        if not stays:
            drawn = self._drawn(earlier)
            self.predictions.lay_pictures(
                [each for each in shard.of(self.samples) if each.id not in drawn], replace=True
            )

    def work(self) -> None:
        """Load the networks and do this process's share; whatever happens is in the outcome."""
        settings = self.settings
        try:
            networks = self.watch.during(ANSWERING_SHARE, self._load)
            self.journal.resume(self.configuration)
            if not self.journal.continues:
                self.predictions.forget_earlier()
            if settings.shard.is_first:
                _tell_start(self.journal)
            root, side = self.input_file.parent, networks.side
            profile = settings.profile
            with PictureFiles(root, side, profile.jpeg_quality, published=profile.published_pictures) as files:
                Work(
                    settings.shard.of(self.samples),
                    files,
                    self.predictions,
                    self.reserve,
                    Engine(networks, profile, settings.seed),
                    self.journal,
                    self.watch,
                    self.outcome,
                    self._refresh,
                    self.thread,
                    fixed_batch_size=settings.batch_size,
                    draws=settings.draws,
                    budget_share=settings.time_budget / settings.time_limit,
                    processes=settings.shard.count,
                ).do_all()
        except Stopped as stopped:
            self.outcome.ending = stopped.ending
        except Exception as error:  # whatever it is, what was done is written, and the error told
            self.outcome.ending, self.outcome.error = Ending.FAILED, reason_of(error)
            self.outcome.trace = traceback.format_exc()

    def finish(self) -> Report:
        """Write what this process leaves behind: the first one what all of them did, when the others are done.

        Where the first one is gone, or never came, each of the others does so at its end, with what it knows by then.
        """
        shard = self.settings.shard
        if shard.is_first:
            found: list[Outcome] = []
            if shard.count > 1:
                found, ending = self.others.collect(self.parts, self.watch, self._refresh)
                self.outcome.ending = max(self.outcome.ending, ending, key=list(Ending).index)
            return self._write(found)
        self.outcome.seconds = time.monotonic() - self.watch.started
        delivered = self.parts.deliver(self.outcome.to_json())
        if not self.parts.first_is_at_work:
            with contextlib.suppress(JournalInUseError), Journal(self.settings.output, patience=LAST_SECONDS):
                if delivered and not self.parts.is_waiting:  # the first one took it, and ended
                    return Report(self.configuration, shard.of(self.samples), [self.outcome])
                self.predictions.keep_earlier({}, file=self._file_is_ours())
                self.predictions.lay_pictures(self.samples, replace=False)
                return self._write(self.others.handed_in(self.parts))
        return Report(self.configuration, shard.of(self.samples), [self.outcome])

    def _write(self, others: list[Outcome]) -> Report:
        """Write the last files, with all that any journal knows."""
        self.outcome.seconds = time.monotonic() - self.watch.started
        known = self._known()
        outcomes = sorted([self.outcome, *others], key=lambda outcome: outcome.process)
        report = Report(self.configuration, self.samples, outcomes)
        report.answers = known.answers | report.answers
        report.pictured |= self._drawn(known, without=report.pictured)
        report.earlier_answers = self.predictions.earlier.keys() - report.answers.keys()
        report.earlier_pictures = self.predictions.drawn_before(report.pictured)
        self.reserve.release()
        if not self.pictures_are_ours:  # of those who never came to their share, another input's may be there
            undrawn = [sample for sample in self.samples if sample.id not in report.pictured]
            report.write(lambda: self.predictions.lay_pictures(undrawn, replace=True))
        report.write(lambda: self.predictions.write(report.answers, report.pictured))
        report.write(lambda: write_json(self.settings.output / RUN_REPORT_NAME, report.to_json(), indent=1))
        if self.parts.are_complete:
            self.predictions.sweep()
            self.parts.clear()
        else:  # whoever ends later writes anew
            report.write(lambda: self.parts.deliver(self.outcome.to_json()))
        return report

    def _file_is_ours(self) -> bool:
        """Whether the answers file is of this input and, where this run knows its weights, of its configuration."""
        earlier = configuration_of(self.settings.output / journal_name(0))
        if self.configuration["weights_sha256"]:
            return earlier == as_recorded(self.configuration)
        return earlier.get("input_sha256") == self.configuration["input_sha256"]

    def _known(self) -> Records:
        """What all journals of this configuration know, as far as they can be read."""
        try:
            return read_journals(self.settings.output, self.configuration)
        except OSError as error:
            self.outcome.problems.append(Problem(None, "journal", reason_of(error), "what it knows is not used"))
            return Records()

    def _drawn(self, records: Records, without: Collection[str] = ()) -> set[str]:
        """Ids of samples, but for some, whose picture on the disk is the one that is recorded."""
        waiting = (sample for sample in self.samples if sample.id in records.crcs and sample.id not in without)
        return {each.id for each in waiting if crc_of(self.predictions.picture(each)) == records.crcs[each.id]}

    def _load(self) -> Networks:
        settings = self.settings
        if settings.ruclip is None:  # by these hashes a run that is stopped while it loads knows what is its own
            with contextlib.suppress(OSError, ValueError):  # what is wrong with the files, loading them says
                self.configuration["weights_sha256"] = fingerprint(settings.weights)
        networks = load_networks(settings.weights, settings.device, settings.dtype, settings.ruclip)
        if not self.configuration["weights_sha256"]:
            self.configuration["weights_sha256"] = fingerprint(settings.weights)
        if settings.shard.is_first:
            for note in networks.notes:
                say(note)
        if networks.ruclip is not None:
            self.configuration["ruclip_sha256"] = networks.ruclip.weights_sha256
        return networks

    def _refresh(self) -> None:
        """Write the answers known by now, if it is time."""
        if not self.refreshing or not self.predictions.is_due:
            return
        answers, pictured = self.others.known()
        try:
            self.predictions.write({**answers, **self.outcome.answers}, pictured | self.outcome.pictured)
        except ContestError as error:
            self.refreshing = False
            self.reserve.release()
            instead = "the run goes on, and writes the answers at its end"
            self.outcome.problems.append(Problem.of(error, "predictions", instead, None))


def _configuration(settings: Settings, input_file: Path) -> dict[str, Any]:
    """All that decides what the answers are: a journal of another configuration is of no use to this run."""
    return {
        "input_sha256": file_sha256(input_file),
        "weights_sha256": {},
        "profile": asdict(settings.profile),
        "seed": settings.seed,
        "dtype": str(settings.dtype).removeprefix("torch."),
    }


def _answerable(parsed: ParseResult[Sample]) -> list[Sample]:
    """The sound samples, then the others without items: a scorer may fail on a sample that has no prediction."""
    unusable = {error.sample_id for error in parsed.errors if error.code is Code.ID_UNUSABLE}
    broken = dict.fromkeys(error.sample_id for error in parsed.errors)
    empty = [
        Sample(sample_id, ())
        for sample_id in broken
        if sample_id is not None and sample_id not in unusable and sample_id not in parsed.valid
    ]
    return [*parsed.valid.values(), *empty]


def _instead(error: ContestError, is_sound: bool) -> str:
    if error.code is Code.ID_UNUSABLE:
        return "the sample is left out"
    if error.code is Code.DUPLICATE_ID:
        return "the last sample of this id counts"
    if is_sound:
        return "the sample is answered all the same"
    return "the run goes on without it" if error.sample_id is None else "answered as a sample without items"


def _tell_oddities(settings: Settings, input_file: Path, samples: list[Sample]) -> None:
    """Say what is no mistake in itself, but hardly what was meant."""
    if not samples:
        say(f"warning: {input_file} has no samples: there is nothing to answer, and predictions.json will be empty too")
    elif (settings.draws > 1 or settings.time_budget) and all(sample.has_image for sample in samples):
        say("warning: every sample has a picture: nothing is drawn, once or more often")
    silent = [sample.id for sample in samples if sample.items and not any(text.strip() for text in sample.texts)]
    if silent:
        some = ", ".join(map(quote, silent[:MAX_NAMED])) + (", ..." if len(silent) > MAX_NAMED else "")
        say(f"warning: {counted(len(silent), 'sample')} without any text ({some}): answered as if nothing was asked")


def _tell_start(journal: Journal) -> None:
    if journal.resumed:
        done = f"{counted(len(journal.answers), 'answer')} and {counted(len(journal.drawings), 'picture')}"
        say(f"going on with {journal.path}: {done} done")
    elif journal.changed is not None:
        say(f"{journal.path} is of another run (different: {', '.join(journal.changed)}); starting anew")
