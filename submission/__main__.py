"""The command line of the submission: `run` and `preview`. Knows options and exit statuses, and nothing else.

Exit status 0: all went well. 1: the predictions are complete, but some samples have problems, which are named.
2: nothing could be done, and the message says why. 130: interrupted; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from contest.emissions import country_code, track
from contest.errors import ContestError, ContestErrors
from contest.limits import INPUT_DIR, OUTPUT_DIR
from submission.journal import JournalInUseError
from submission.preview import add_arguments, show
from submission.profiles import PROFILES, TUNED, greedy
from submission.progress import say
from submission.report import Report
from submission.run import Settings, run

DONE, DONE_WITH_PROBLEMS, NOT_DONE, INTERRUPTED = 0, 1, 2, 130
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process, if None) and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "preview":
            return show(options)
        report = _run(options)
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return INTERRUPTED
    except (ContestErrors, ContestError, JournalInUseError, ValueError, OSError) as error:
        say(f"error: {error}")
        return NOT_DONE
    report.tell_problems(options.output)
    return DONE_WITH_PROBLEMS if report.problems else DONE


def _run(options: argparse.Namespace) -> Report:
    settings = _settings(options)
    if options.emissions is None:
        return run(settings)
    description = (
        f"RUDOLPH, inference, weights {settings.weights.name}, profile {settings.profile.name}, {settings.device}"
    )
    try:
        with track("FBC2 submission", description, options.emissions, options.country) as tracking:
            return run(settings)
    finally:
        say(str(tracking.outcome))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m submission", description="What runs in the organisers' container.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="command")
    preview_parser = commands.add_parser(
        "preview",
        help="show what a run answered: a table of some samples, a contact sheet of the pictures",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_arguments(preview_parser)
    run_parser = commands.add_parser(
        "run",
        help="answer all samples of an input file",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Answer all samples of an input file and draw pictures for those without one. A run that was "
        "killed goes on when it is started again with the same input, weights, profile, seed and dtype.",
    )
    add = run_parser.add_argument
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
    add("--emissions", type=Path, metavar="FILE", help="log the run's CO2 there (eco2AI's CSV file)")
    add("--country", type=country_code, default="RU", help="where it runs, for --emissions: two letters (ISO 3166)")
    return parser


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be auto or at least 1")
    return number


def _settings(options: argparse.Namespace) -> Settings:
    profile = PROFILES[options.profile]
    device = _device(options.device)
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
    )


def _device(name: str) -> torch.device:
    """Return the device; raises ValueError if there is none of that name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device {name}: no such device; use auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device {name}: not supported; use auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: {torch.cuda.device_count()} GPUs found; use auto or cpu")
    return device


if __name__ == "__main__":
    sys.exit(main())
