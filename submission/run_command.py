"""The command line of `run`: its options, and how it ends. Knows no other command.

Exit status 0: all went well. 1: the predictions are complete, but some samples have problems, which are named. 2: the
work could not be done (input, weights, output), and the message says why. 3: ended early, by the time limit, a full
disk or a lost device or process. 130, 143: ended early by SIGINT or SIGTERM. Once the input is read, `predictions.json`
is valid in every case: fallbacks stand in for what is missing, and after 2 to 143 the same command goes on from there.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import torch

from contest.emissions import country_code, track
from contest.limits import INPUT_DIR, MAX_WALL_CLOCK_SECONDS, OUTPUT_DIR
from submission.devices import choose_device
from submission.doctor.cgroup import useful_threads
from submission.journal import JournalInUseError
from submission.profiles import PROFILES, TUNED, greedy
from submission.progress import say
from submission.report import Report
from submission.run import Settings, run
from submission.sharding import shard_of_process
from submission.work import MOST_DRAWS

DONE, NOT_DONE = 0, 2
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def show(options: argparse.Namespace) -> int:
    """`run`: answer, tell how it went; return the exit status. Raises what `submission.run.run` does."""
    # More threads than processors wait for each other: torch itself would start one for each of the host's.
    torch.set_num_threads(useful_threads(torch.get_num_threads()))
    try:
        report = _run(options)
    except JournalInUseError as error:
        say(f"error: {error}")
        return NOT_DONE
    if report.outcomes[0].process > 0:  # the first process tells everything; the others must not make torchrun end it
        return DONE
    report.tell(options.output)
    return report.status


def _run(options: argparse.Namespace) -> Report:
    settings = _settings(options)
    if options.emissions is None:
        return run(settings)
    if settings.shard.count > 1:
        raise ValueError("--emissions measures one process; leave it out, or run without torchrun")
    description = (
        f"RUDOLPH, inference, weights {settings.weights.name}, profile {settings.profile.name}, {settings.device}"
    )
    try:
        with track("FBC2 submission", description, options.emissions, options.country) as tracking:
            return run(settings)
    finally:
        say(str(tracking.outcome))


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
    add("--seed", type=int, default=0, help="of all random numbers")
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
    add("--country", type=country_code, default="RU", help="where it runs, for --emissions: two letters (ISO 3166)")


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be auto or at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return number


def _draws(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_DRAWS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_DRAWS}")
    return number


def _settings(options: argparse.Namespace) -> Settings:
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
