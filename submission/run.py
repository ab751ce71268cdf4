"""The whole of a run: read the input, do the work, write predictions and report. Leaves each part to its module."""

from __future__ import annotations

import time
import traceback
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from contest.errors import Code, ContestError
from contest.items import Sample
from contest.limits import IMAGES_DIR, INPUT_NAME, MAX_WALL_CLOCK_SECONDS
from contest.reading import Sifted, sift_input
from contest.writing import write_json
from models.weights import file_sha256
from submission.journal import Journal
from submission.loading import Networks, fingerprint, load_networks
from submission.merging import Others
from submission.phases import Engine
from submission.picture_files import PictureFiles
from submission.predictions import Predictions, Reserve
from submission.profiles import Profile
from submission.progress import say
from submission.report import RUN_REPORT_NAME, Outcome, Problem, Report, describe
from submission.sharding import ONLY, Parts, Shard
from submission.stopping import ANSWERING_SHARE, Ending, Stopped, Watch
from submission.work import Work


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
    says what is missing. Of several processes the first one writes them, and the others return a report of their share.

    Raises ContestErrors for an input file that is no JSON object, ContestError or OSError for an output folder that can
    not be written, JournalInUseError. Everything else that goes wrong is in the report.
    """
    started = time.monotonic()
    input_file = settings.input / INPUT_NAME if settings.input.is_dir() else settings.input
    sifted = sift_input(input_file)
    (settings.output / IMAGES_DIR).mkdir(parents=True, exist_ok=True)
    with (
        Watch(settings.time_limit, started) as watch,
        Journal(settings.output, settings.shard.number) as journal,
        ThreadPoolExecutor(1, "encoding") as thread,  # what it does when a run ends early is waited for at the very end
    ):
        process = _Process(settings, input_file, _answerable(sifted), watch, journal, thread)
        process.begin([Problem(error.sample_id, "read", str(error), _instead(error)) for error in sifted.errors])
        process.work()
        return process.finish()


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
        self.resumed = False
        self.refreshing = shard.is_first

    def begin(self, problems: list[Problem]) -> None:
        """Have a valid answer for every sample before anything else is done."""
        if self.settings.shard.count > 1:
            self.parts.begin()
        if self.settings.shard.is_first:
            self.outcome.problems += problems
            self.predictions.lay()
            (self.settings.output / RUN_REPORT_NAME).unlink(missing_ok=True)  # an earlier run's
            self.reserve.take()

    def work(self) -> None:
        """Load the networks and do this process's share; whatever happens is in the outcome."""
        settings = self.settings
        try:
            networks = self.watch.during(ANSWERING_SHARE, self._load)
            self.journal.resume(self.configuration)
            self.resumed = True
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
            self.outcome.ending, self.outcome.error = Ending.FAILED, str(error) or type(error).__name__
            self.outcome.trace = traceback.format_exc()

    def finish(self) -> Report:
        """Write what this process leaves behind; the first one waits for the others and writes what all of them did."""
        shard, outcomes = self.settings.shard, [self.outcome]
        if shard.is_first and shard.count > 1:
            found, ending = self.others.collect(self.parts, self.watch, self._refresh)
            outcomes += found
            self.outcome.ending = max(self.outcome.ending, ending, key=list(Ending).index)
        self.outcome.seconds = time.monotonic() - self.watch.started
        if not shard.is_first:
            self.parts.deliver(self.outcome.to_json())
            return Report(self.configuration, shard.of(self.samples), outcomes)
        report = Report(self.configuration, self.samples, outcomes)
        report.began = self.resumed
        self.reserve.release()
        if self.resumed:  # else what is there, an earlier run's answers or fallbacks, is all there is
            report.write(lambda: self.predictions.write(report.answers, report.pictured))
        report.write(lambda: write_json(self.settings.output / RUN_REPORT_NAME, report.to_json()))
        self.predictions.sweep()
        if shard.count > 1:
            self.parts.clear()
        return report

    def _load(self) -> Networks:
        settings = self.settings
        networks = load_networks(settings.weights, settings.device, settings.dtype, settings.ruclip)
        self.configuration["weights_sha256"] = fingerprint(settings.weights)
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
            self.outcome.problems.append(Problem(None, "predictions", str(error), instead))


def _configuration(settings: Settings, input_file: Path) -> dict[str, Any]:
    """All that decides what the answers are: a journal of another configuration is of no use to this run."""
    return {
        "input_sha256": file_sha256(input_file),
        "weights_sha256": {},
        "profile": asdict(settings.profile),
        "seed": settings.seed,
        "dtype": str(settings.dtype).removeprefix("torch."),
    }


def _answerable(sifted: Sifted[Sample]) -> list[Sample]:
    """The sound samples, then the others without items: a scorer may fail on a sample that has no prediction."""
    unusable = {error.sample_id for error in sifted.errors if error.code is Code.ID_UNUSABLE}
    broken = dict.fromkeys(error.sample_id for error in sifted.errors)
    empty = [
        Sample(sample_id, ())
        for sample_id in broken
        if sample_id is not None and sample_id not in unusable and sample_id not in sifted.sound
    ]
    return [*sifted.sound.values(), *empty]


def _instead(error: ContestError) -> str:
    if error.code is Code.ID_UNUSABLE:
        return "the sample is left out"
    if error.code is Code.DUPLICATE_ID:
        return "the last sample of this id counts"
    return "the run goes on without it" if error.sample_id is None else "answered as a sample without items"


def _tell_start(journal: Journal) -> None:
    if journal.resumed:
        say(f"going on with {journal.path}: {len(journal.answers)} answers and {len(journal.drawings)} pictures done")
    elif journal.changed is not None:
        say(f"{journal.path} is of another run (different: {', '.join(journal.changed)}); starting anew")
