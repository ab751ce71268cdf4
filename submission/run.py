"""The whole of a run: read the input, do the work, write predictions and report. Leaves each part to its module."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from contest.errors import Code, ContestError
from contest.items import Sample
from contest.limits import IMAGES_DIR, INPUT_NAME, PREDICTIONS_NAME
from contest.reading import Sifted, sift_input
from contest.writing import samples_to_wire, write_json
from models.weights import file_sha256
from submission.journal import Journal
from submission.loading import fingerprint, load_networks
from submission.phases import Engine
from submission.profiles import Profile
from submission.progress import say
from submission.report import RUN_REPORT_NAME, Problem, Report
from submission.work import Work

JOURNAL_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Settings:
    """What a run is asked to do.

    `input` is a folder with `input.json`, or that file; `batch_size` None chooses one by the free memory.
    """

    input: Path
    output: Path
    weights: Path
    profile: Profile
    seed: int
    device: torch.device
    dtype: torch.dtype
    batch_size: int | None = None


def run(settings: Settings) -> Report:
    """Answer and draw all samples of an input file; write `predictions.json`, `images/` and `run.json`.

    Raises ContestErrors for an input file that is no JSON object, ContestError or OSError for an output that can not
    be written, ValueError or OSError for weights that can not be loaded, JournalInUseError. Everything else that goes
    wrong is a problem of the report.
    """
    started = time.monotonic()
    output = settings.output
    input_file = settings.input / INPUT_NAME if settings.input.is_dir() else settings.input
    sifted = sift_input(input_file)
    networks = load_networks(settings.weights, settings.device, settings.dtype)
    report = Report(_configuration(settings, input_file), settings.device)
    report.problems += [Problem(error.sample_id, "read", str(error), _instead(error)) for error in sifted.errors]
    (output / IMAGES_DIR).mkdir(parents=True, exist_ok=True)
    with Journal(output / JOURNAL_NAME, report.configuration) as journal:
        _tell_start(journal, output)
        engine = Engine(networks, settings.profile, settings.seed)
        work = Work(
            _answerable(sifted),
            input_file.parent,
            output,
            engine,
            journal,
            report,
            fixed_batch_size=settings.batch_size,
        )
        work.do_all()
        write_json(output / PREDICTIONS_NAME, samples_to_wire(work.predictions()))
        report.rescued_in_bfloat16 = engine.rescued
        report.seconds = time.monotonic() - started
        write_json(output / RUN_REPORT_NAME, report.to_json())
    return report


def _configuration(settings: Settings, input_file: Path) -> dict[str, Any]:
    """All that decides what the answers are: a journal of another configuration is of no use to this run."""
    return {
        "input_sha256": file_sha256(input_file),
        "weights_sha256": fingerprint(settings.weights),
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


def _tell_start(journal: Journal, output: Path) -> None:
    if journal.resumed:
        say(f"going on with {journal.path}: {len(journal.answers)} answers and {len(journal.drawings)} pictures done")
        return
    if journal.changed is not None:
        say(f"{journal.path} is of another run (different: {', '.join(journal.changed)}); starting anew")
    for name in (PREDICTIONS_NAME, RUN_REPORT_NAME):  # an earlier run's: this run's come at its end
        (output / name).unlink(missing_ok=True)
