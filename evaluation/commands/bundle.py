"""The command `bundle`: a test set or a result in the form of another platform (docs/platforms.md)."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from contest.command_line import DONE, UsageError, whole
from contest.console import show
from evaluation.commands.options import add_metrics, add_result, day, require_stage, result_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the platforms."""
    platforms = parser.add_subparsers(required=True, metavar="PLATFORM")
    _add_codabench(platforms.add_parser("codabench", help="write a competition: the test, and what scores it"))
    _add_hub(platforms.add_parser("hub", help="write the scores of a result as the hub reads them"))


def _add_codabench(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="folder with input.json, which participants get")
    add("--ground-truth", type=Path, required=True, metavar="FILE", help="ground_truth.json, in its pictures' folder")
    add("--ids", type=Path, required=True, metavar="FILE", help="ids.json: the task of each sample")
    image = "image to score in, from `docker/build.sh codabench`, where the platform's workers can pull it"
    add("--image", required=True, metavar="NAME", help=image)
    add("--output", type=Path, required=True, metavar="DIR|FILE.zip", help="folder, or one archive to be uploaded")
    add("--title", default="FusionBrain Challenge 2.0", help="of the competition")
    add("--start", type=day, metavar="YYYY-MM-DD", help="first day, from 00:00 UTC (default: today)")
    add("--end", type=day, metavar="YYYY-MM-DD", help="when it ends, at 00:00 UTC (default: never)")
    add("--seconds", type=whole(least=1), default=3600, metavar="S", help="how long scoring a submission may take")
    add_metrics(parser)
    parser.set_defaults(run=write_codabench, keeps=("output",))


def _add_hub(parser: argparse.ArgumentParser) -> None:
    add_result(parser)
    add = parser.add_argument
    add("--benchmark", required=True, metavar="OWNER/NAME", help="the test's data set on the hub")
    add("--output", type=Path, required=True, metavar="DIR", help="folder of the model's repository")
    parser.set_defaults(run=write_hub, keeps=("output",))


def write_codabench(options: argparse.Namespace) -> int:
    """Write the bundle of a competition, and say what is in it. Raises UsageError."""
    from contest.checking import is_unicode
    from evaluation.platforms.codabench import CodabenchPlan, write_bundle

    require_stage(options)
    if not options.image.isascii() or not options.image.strip() or any(sign.isspace() for sign in options.image):
        raise UsageError(f"{options.image!r} can be no image", "name it as `docker pull` does")
    if not is_unicode(options.title):
        raise UsageError(f"the title is no UTF-8: {options.title!r}", "give it in UTF-8")
    start = options.start or datetime.now(UTC).date()
    if options.end is not None and options.end <= start:
        raise UsageError(f"--end {options.end} is not after the start, {start}", "give a later day")
    plan = CodabenchPlan(
        options.image,
        start,
        options.end,
        options.title,
        options.seconds,
        options.mode,
        options.stage,
        options.assets,
        options.wordnet,
        options.fid_features,
    )
    test = {"input_root": options.input, "ground_truth": options.ground_truth, "ids": options.ids}
    files = write_bundle(plan, options.output, **test)
    lines = [] if options.assets else ["no networks are in it: the image must have them, in the folder FBC2_ASSETS"]
    next_ = (
        "upload it at Benchmarks > Management" if options.output.suffix == ".zip" else "zip what is in it, and upload"
    )
    show("\n".join([*files, *lines, f"bundle: {options.output} (next: {next_})"]))
    return DONE


def write_hub(options: argparse.Namespace) -> int:
    """Write a result's scores into the folder of a model's repository."""
    from contest.writing import write_bytes, writing
    from evaluation.platforms.hub import RESULTS_FILE, evaluation_results
    from evaluation.results import read_result

    result = read_result(result_path(options))
    path = options.output / RESULTS_FILE
    text = evaluation_results(result, options.benchmark)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    left_out = [key for key, task in result.tasks.items() if not task.comparable]
    lines = [f"left out, as a substitute took part in them: {', '.join(left_out)}"] if left_out else []
    show("\n".join([*lines, f"results: {path} (next: commit it to the model's repository on the hub)"]))
    return DONE
