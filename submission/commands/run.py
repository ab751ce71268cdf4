"""`submission run`: its options, and how it ends.

Once the input is read, `predictions.json` is valid whatever happens: fallbacks stand in for what is missing, and after
an early end the same command goes on from there.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, UsageError, number, seed, whole, window
from contest.emissions.tracking import country_code
from contest.limits import IMAGES_DIR, INPUT_DIR, INPUT_NAME, MAX_WALL_CLOCK_SECONDS, OUTPUT_DIR, PREDICTIONS_NAME
from contest.shares import Share, add_shard, choose_share, require_no_shares
from models.named_folders import weights_folder
from submission.commands import WEIGHTS, WEIGHTS_HELP
from submission.deadline import ANSWERING_SHARE, DRAWING_SHARE, RunStatus
from submission.settings import MAX_IMAGES, RunSettings
from submission.switches import SWITCHES, switch_names

if TYPE_CHECKING:
    from submission.report import RunSummary

COUNTRY = "RU"
MOST_SECONDS = 10**8  # three years: beyond that, clocks have no number
PROFILE_NAMES = ("tuned", "baseline")
DTYPES = ("float32", "float16", "bfloat16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `run`."""
    parser.description = (
        "Answer all samples of an input file and draw pictures for those without one. A run that was "
        "killed goes on when it is started again with the same input, weights, profile (--with too), seed and dtype. "
        "Under torchrun its processes share the samples; with --shard several machines do."
    )
    add = parser.add_argument
    seconds = number(least=0, above=True, most=MOST_SECONDS)
    add("--input", type=Path, metavar="DIR", default=Path(INPUT_DIR), help="folder with input.json, or a JSON file")
    add("--output", type=Path, metavar="DIR", default=Path(OUTPUT_DIR), help="folder that is written into")
    add("--weights", type=Path, metavar="DIR|ID", default=WEIGHTS, help=WEIGHTS_HELP)
    add("--profile", choices=PROFILE_NAMES, default="tuned", help="baseline is the published inference")
    add(
        "--with",
        dest="switches",
        type=_switches,
        metavar="NAMES",
        default=(),
        help="better answers that cost time and are off in both profiles, with commas between them: "
        + "; ".join(f"{name} ({what})" for name, what in SWITCHES.items())
        + " (default: none)",
    )
    add("--greedy", action="store_true", help="sample nothing at random, in either profile")
    add("--seed", type=seed, metavar="N", default=0, help="of all random numbers")
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1")
    add(
        "--dtype",
        choices=("auto", *DTYPES),
        default="auto",
        help="auto: float16 on a GPU, float32 on a CPU. bfloat16 on a CPU that multiplies in it takes about 0.6 of the "
        "time; of its likeliest tokens, those of texts are float32's, and 99.6 in 100 of pictures (bundled weights)",
    )
    add("--batch-size", type=_batch_size, metavar="N", default="auto", help="samples at once; auto: by the free memory")
    add(
        "--time-limit",
        type=seconds,
        metavar="SECONDS",
        default=MAX_WALL_CLOCK_SECONDS,
        help=f"drawing stops at {100 * DRAWING_SHARE:.0f} %% of it, answering at {100 * ANSWERING_SHARE:.0f} %%",
    )
    draws = whole(least=1, most=MAX_IMAGES)
    add("--draws", type=draws, metavar="N", default=1, help="pictures for each text-only sample; the best is kept")
    add(
        "--window",
        type=window,
        metavar="N",
        help="codes of a picture computed at once, for the same picture; 1: one by one; auto: as many as prove fastest "
        "(default: auto, with --profile baseline 1)",
    )
    add(
        "--cuda-graphs",
        choices=["auto", "off"],
        default="auto",
        help="auto: on a GPU the many small steps of a batch are launched as CUDA graphs, for the same results in less "
        "time; off: kernel by kernel",
    )
    add(
        "--ruclip",
        type=Path,
        metavar="DIR",
        help="choose among draws by this ruCLIP (default: by RUDOLPH's own perplexity)",
    )
    add(
        "--time-budget",
        type=seconds,
        metavar="SECONDS",
        help="go on drawing and choosing until then, once every sample has a picture and was asked all that the "
        "profile asks: captions too where it draws several, which neither profile does by itself, otherwise pictures "
        "alone (default: do not)",
    )
    add("--emissions", type=Path, metavar="FILE", help="log the run's CO2 there, in eco2AI's CSV (default: do not)")
    add(
        "--country",
        type=country_code,
        metavar="CODE",
        help=f"where it runs, for --emissions, by ISO 3166 (default: {COUNTRY})",
    )
    add_shard(parser)
    parser.set_defaults(run=run_command)


def _batch_size(text: str) -> int | None:
    return None if text == "auto" else whole(least=1, most=2**31 - 1)(text)


def _switches(text: str) -> tuple[str, ...]:
    try:
        return switch_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_command(options: argparse.Namespace) -> int:
    """Answer, say how it went, and return the exit status. Raises what `submission.run.run` does."""
    from submission.progress import warnings_above_bars

    settings = _settings(options)
    with warnings_above_bars():
        report = _run(options, settings)
    if report.results[0].process > 0:  # the first process says everything; the others must not make torchrun end it
        return DONE
    report.print_summary(settings.output)
    if report.fault is not None:
        raise report.fault
    if settings.share.is_whole:
        _say_end(options, report)
    else:
        _say_share_end(options, settings.share, report)
    return report.exit_status


def _run(options: argparse.Namespace, settings: RunSettings) -> RunSummary:
    from contest.children import end_with_parent
    from contest.emissions.run_energy import MeterRow
    from contest.emissions.tracking import tell, track
    from contest.errors import ContestError
    from models.devices import choose_device
    from submission.cost import add_energy
    from submission.progress import warn
    from submission.run import run

    if settings.shard.count > 1:  # where torchrun is killed nobody else would ask its processes to stop
        end_with_parent(os.getppid(), signal.SIGTERM)
    if options.greedy and options.seed and settings.shard.is_first:
        warn("--seed changes nothing here: with --greedy nothing is drawn at random")
    shard = settings.shard
    if options.emissions is None or not shard.is_first:
        return run(settings)
    description = (
        f"RUDOLPH, inference, weights {settings.weights.name}, profile {settings.profile.name}, {settings.device}"
    )
    devices = {choose_device(options.device, number).index for number in range(shard.count)}
    gpus = tuple(sorted(index for index in devices if index is not None))
    country = options.country or COUNTRY
    root = os.getppid() if shard.count > 1 else None  # torchrun, and all that it started
    try:
        with track("FBC2 submission", description, options.emissions, country, root=root, gpus=gpus) as tracking:
            row = None if tracking.row_id is None else MeterRow(str(options.emissions.absolute()), tracking.row_id)
            report = run(settings, row)
    finally:
        tell(tracking.outcome)
    try:
        add_energy(settings.output, report.sessions)
    except (ContestError, OSError, ValueError) as error:
        warn(f"the energy of the run is not in run.json: {error}")
    return report


def _say_end(options: argparse.Namespace, report: RunSummary) -> None:
    """Say where the results are, and what one does with them."""
    from contest.console import counted
    from submission.progress import say

    if report.unwritten or report.status is not RunStatus.FINISHED:
        return
    answers, pictures = counted(len(report.answers), "answer"), counted(len(report.pictured), "picture")
    files = f"{PREDICTIONS_NAME}, {IMAGES_DIR}/, run.json"
    say(f"done: {answers} and {pictures} drawn, in {options.output} ({files})")
    folder = options.input.parent if options.input.name == INPUT_NAME else options.input
    if not (folder / INPUT_NAME).is_file():  # an input of another name, which the other commands do not look for
        return
    source, output = shlex.quote(str(folder)), shlex.quote(str(options.output))
    say(f"look at them: python -m submission preview --input {source} --output {output}")
    say(
        f"check them: python -m submission check {shlex.quote(str(options.output / PREDICTIONS_NAME))} --input {source}"
    )


def _say_share_end(options: argparse.Namespace, share: Share, report: RunSummary) -> None:
    from submission.progress import say

    if not report.unwritten and report.status is RunStatus.FINISHED:
        source, output = shlex.quote(str(options.input)), shlex.quote(str(options.output))
        say(f"{share} is done, in {share.folder(options.output)}")
        say(f"when all are: python -m submission merge --input {source} --output {output}")


def _refuse_without_effect(options: argparse.Namespace) -> None:
    """Raise UsageError for an option that would change nothing: who gave it expects something of it."""
    several = options.draws > 1 or options.time_budget is not None
    last_drawing = DRAWING_SHARE * options.time_limit
    captions = "captions" in options.switches
    if options.ruclip is not None and not several and not captions:
        raise UsageError(
            "--ruclip chooses among several draws, and one is made",
            "add --draws N, --time-budget SECONDS or --with captions",
        )
    if options.greedy and captions:
        raise UsageError("all captions of a picture are the same with --greedy", "leave out either it or captions")
    if options.greedy and several:
        raise UsageError("all draws are the same with --greedy", "leave out either it or --draws and --time-budget")
    if options.draws == MAX_IMAGES and options.time_budget is not None and not captions:
        raise UsageError(f"no more than {MAX_IMAGES} draws are made of a sample", "leave out --draws or --time-budget")
    if options.time_budget is not None and options.time_budget > last_drawing:
        raise UsageError(
            f"drawing stops at {last_drawing:g} s, {DRAWING_SHARE:.0%} of --time-limit",
            "give a --time-budget of no more",
        )
    if options.country is not None and options.emissions is None:
        raise UsageError("--country is where emissions are measured, and they are not", "add --emissions FILE")


def _chosen_window(options: argparse.Namespace) -> int | None:
    """What --window says; left out, the published inference draws one by one, as it was published."""
    if options.window is None:
        return 1 if options.profile == "baseline" else None
    return None if options.window == "auto" else int(options.window)


def _settings(options: argparse.Namespace) -> RunSettings:
    _refuse_without_effect(options)
    import torch

    from models.devices import choose_device
    from models.gpu_settings import prepare_gpu
    from submission.devices import processes_on
    from submission.doctor.cgroup import useful_threads
    from submission.profiles import PROFILES, greedy, with_switches
    from submission.sharding import shard_of_process

    # More threads than processors wait for each other: torch itself would start one for each of the host's.
    torch.set_num_threads(useful_threads(torch.get_num_threads()))
    profile = with_switches(PROFILES[options.profile], options.switches, ruclip=options.ruclip is not None)
    shard = shard_of_process(os.environ)
    share = choose_share(options.shard, os.environ, quiet=not shard.is_first)
    if share.is_whole:
        require_no_shares(options.output)
    device = choose_device(options.device, shard.number)
    prepare_gpu(device)
    dtype = options.dtype if options.dtype != "auto" else "float16" if device.type == "cuda" else "float32"
    return RunSettings(
        input=options.input,
        output=options.output if share.is_whole else share.folder(options.output),
        weights=weights_folder(options.weights),
        profile=greedy(profile) if options.greedy else profile,
        seed=options.seed,
        device=device,
        dtype=getattr(torch, dtype),
        batch_size=options.batch_size,
        time_limit=options.time_limit,
        num_images=options.draws,
        time_budget=options.time_budget or 0.0,
        ruclip=options.ruclip,
        window=_chosen_window(options),
        graphs=options.cuda_graphs == "auto",
        shard=shard,
        share=share,
        sharing=processes_on(options.device, shard.number, shard.count),
    )
