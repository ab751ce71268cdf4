"""The command line of `run`: its options, and how it ends. Knows no other command.

Exit status 0: all went well. 1: the predictions are complete, but some samples have problems, which are named. 2: the
work could not be done (input, weights, output), and the message says why. 3: ended early, by the time limit, a full
disk or a lost device or process. 130, 143: ended early by SIGINT or SIGTERM. Once the input is read, `predictions.json`
is valid in every case: fallbacks stand in for what is missing, and after 3 to 143 the same command goes on from there.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
from pathlib import Path

import torch

from contest.children import end_with_parent
from contest.emissions.tracking import country_code, track
from contest.errors import quote
from contest.limits import IMAGES_DIR, INPUT_DIR, INPUT_NAME, MAX_WALL_CLOCK_SECONDS, OUTPUT_DIR, PREDICTIONS_NAME
from submission.deadline import DRAWING_SHARE, Ending
from submission.devices import choose_device
from submission.doctor.cgroup import useful_threads
from submission.journal import JournalInUseError
from submission.profiles import PROFILES, TUNED, greedy
from submission.progress import counted, say, warnings_above_bars
from submission.report import RUN_REPORT_NAME, Report
from submission.run import Settings, run
from submission.scheduler import MOST_DRAWS
from submission.sharding import shard_of_process

DONE, NOT_DONE = 0, 2
COUNTRY = "RU"
SEEDS = range(-(2**63), 2**63)  # what every reader of run.json has a type for
MOST_SECONDS = 10**8  # three years: beyond that, clocks have no number
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def show(options: argparse.Namespace) -> int:
    """`run`: answer, tell how it went; return the exit status. Raises what `submission.run.run` does."""
    # More threads than processors wait for each other: torch itself would start one for each of the host's.
    torch.set_num_threads(useful_threads(torch.get_num_threads()))
    try:
        with warnings_above_bars():
            report = _run(options)
    except JournalInUseError as error:
        say(f"error: {error}")
        return NOT_DONE
    if report.outcomes[0].process > 0:  # the first process tells everything; the others must not make torchrun end it
        return DONE
    report.tell(options.output)
    _tell_end(options, report)
    return report.status


def _run(options: argparse.Namespace) -> Report:
    settings = _settings(options)
    if settings.shard.count > 1:  # where torchrun is killed nobody else would tell its processes to stop
        end_with_parent(os.getppid(), signal.SIGTERM)
    if options.greedy and options.seed and settings.shard.is_first:
        say("warning: --seed changes nothing here: with --greedy nothing is drawn at random")
    if options.emissions is None:
        return run(settings)
    if settings.shard.count > 1:
        raise ValueError("--emissions measures one process; leave it out, or run without torchrun")
    description = (
        f"RUDOLPH, inference, weights {settings.weights.name}, profile {settings.profile.name}, {settings.device}"
    )
    try:
        with track("FBC2 submission", description, options.emissions, options.country or COUNTRY) as tracking:
            return run(settings)
    finally:
        say(str(tracking.outcome))


def _tell_end(options: argparse.Namespace, report: Report) -> None:
    """Say where the results are, and what one does with them."""
    if report.unwritten or report.ending is not Ending.FINISHED:
        return
    answers, pictures = counted(len(report.answers), "answer"), counted(len(report.pictured), "picture")
    files = f"{PREDICTIONS_NAME}, {IMAGES_DIR}/, {RUN_REPORT_NAME}"
    say(f"done: {answers} and {pictures} drawn, in {options.output} ({files})")
    folder = options.input.parent if options.input.name == INPUT_NAME else options.input
    if not (folder / INPUT_NAME).is_file():  # an input of another name, which the other commands do not look for
        return
    source, output = shlex.quote(str(folder)), shlex.quote(str(options.output))
    say(f"look at them: python -m submission preview --input {source} --output {output}")
    say(
        f"check them: python -m submission check {shlex.quote(str(options.output / PREDICTIONS_NAME))} --input {source}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `run`."""
    parser.description = (
        "Answer all samples of an input file and draw pictures for those without one. A run that was "
        "killed goes on when it is started again with the same input, weights, profile, seed and dtype. Under torchrun "
        "its processes share the samples."
    )
    add = parser.add_argument
    add("--input", type=Path, default=Path(INPUT_DIR), help="folder with input.json and images/, or a JSON file")
    add("--output", type=Path, default=Path(OUTPUT_DIR), help="folder for predictions.json, images/ and run.json")
    weights = Path(__file__).resolve().parents[1] / "weights"
    add("--weights", type=Path, default=weights, help="folder with bpe.model, rudolph/ and vqgan/")
    add("--profile", choices=PROFILES, default=TUNED.name, help="baseline is the published inference")
    add("--greedy", action="store_true", help="draw nothing at random, in either profile")
    add("--seed", type=_seed, metavar="N", default=0, help="of all random numbers")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1")
    add("--dtype", choices=("auto", *DTYPES), default="auto", help="auto: float16 on a GPU, float32 on a CPU")
    add("--batch-size", type=_batch_size, metavar="N", default="auto", help="samples at once; auto: by the free memory")
    add(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        default=MAX_WALL_CLOCK_SECONDS,
        help="drawing stops at 95 %% of it, answering at 98 %%",
    )
    add("--draws", type=_draws, metavar="N", default=1, help="pictures for each text-only sample; the best is kept")
    add("--ruclip", type=Path, metavar="DIR", help="choose among draws by this ruCLIP, not by RUDOLPH's own perplexity")
    add(
        "--time-budget",
        type=_seconds,
        metavar="SECONDS",
        default=0.0,
        help="go on drawing and choosing until then, when every sample has its answer and a picture",
    )
    add("--emissions", type=Path, metavar="FILE", help="log the run's CO2 there (eco2AI's CSV file)")
    add("--country", type=country_code, metavar="CODE", help=f"where it runs, for --emissions (ISO 3166): {COUNTRY}")


def _whole_number(text: str, allowed: range, otherwise: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or number not in allowed:
        raise argparse.ArgumentTypeError(f"must be {otherwise}, not {quote(text)}")
    return number


def _batch_size(text: str) -> int | None:
    return None if text == "auto" else _whole_number(text, range(1, 2**31), "auto or a whole number from 1")


def _seed(text: str) -> int:
    return _whole_number(text, SEEDS, f"a whole number from {SEEDS.start} to {SEEDS.stop - 1}")


def _draws(text: str) -> int:
    return _whole_number(text, range(1, MOST_DRAWS + 1), f"a whole number from 1 to {MOST_DRAWS}")


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds above 0, at most {MOST_SECONDS}, not {quote(text)}"
        )
    return number


def _refuse_without_effect(options: argparse.Namespace) -> None:
    """Raise ValueError for an option that would change nothing: who gave it expects something of it."""
    several = options.draws > 1 or options.time_budget > 0
    if options.ruclip is not None and not several:
        raise ValueError(
            "--ruclip chooses among several draws, and one is made; add --draws N or --time-budget SECONDS"
        )
    if options.greedy and several:
        raise ValueError("all draws are the same with --greedy; leave out either it or --draws and --time-budget")
    if options.draws == MOST_DRAWS and options.time_budget > 0:
        raise ValueError(f"no more than {MOST_DRAWS} draws are made of a sample; leave out --draws or --time-budget")
    if options.time_budget > DRAWING_SHARE * options.time_limit:
        raise ValueError(
            f"drawing stops at {DRAWING_SHARE * options.time_limit:g} s, {DRAWING_SHARE:.0%} of --time-limit; "
            "give a --time-budget of no more"
        )
    if options.country is not None and options.emissions is None:
        raise ValueError("--country is where emissions are measured, and they are not; add --emissions FILE")


def _settings(options: argparse.Namespace) -> Settings:
    _refuse_without_effect(options)
    profile = PROFILES[options.profile]
    shard = shard_of_process(os.environ)
    device = choose_device(options.device, shard.number)
    automatic = torch.float16 if device.type == "cuda" else torch.float32
    return Settings(
        input=options.input,
        output=options.output,
        weights=options.weights,
        profile=greedy(profile) if options.greedy else profile,
        seed=options.seed,
        device=device,
        dtype=DTYPES.get(options.dtype, automatic),
        batch_size=options.batch_size,
        time_limit=options.time_limit,
        draws=options.draws,
        time_budget=options.time_budget,
        ruclip=options.ruclip,
        shard=shard,
    )
