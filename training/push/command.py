"""Command line: `python -m training push RUN --dry-run|--repo ID`."""

from __future__ import annotations

import argparse
from pathlib import Path

from contest.command_line import DONE, UsageError
from contest.console import show

FOLDER = "hub"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Put a trained RUDOLPH on the hub: weights in both forms, configuration, model card, results."
    add = parser.add_argument
    add("run_folder", type=Path, metavar="RUN", help="the --output of a `training tune` that has ended")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--repo", metavar="OWNER/NAME", help="repository on the hub, made if there is none")
    where.add_argument("--dry-run", action="store_true", help="write the folder, say what is in it, and send nothing")
    add("--output", type=Path, metavar="DIR", help=f"folder for what is pushed (default: {FOLDER} in RUN)")
    add("--name", help="of the model, on its card (default: that of the repository, or of RUN)")
    add(
        "--license",
        dest="licence",
        required=True,
        metavar="ID",
        help="of the weights, as the hub names it",
    )
    add("--base", default="", metavar="ID", help="model on the hub that the training started from (default: none)")
    add("--data", action="append", default=[], metavar="ID", help="data set on the hub that it learnt; may be repeated")
    add("--result", type=Path, metavar="FILE", help="what `evaluation score --json` wrote (default: the card has none)")
    add("--benchmark", default="", metavar="ID", help="the test's data set on the hub, for --result (default: none)")
    add("--endpoint", metavar="URL", help="the hub (default: HF_ENDPOINT, or https://huggingface.co)")
    add("--private", action="store_true", help="make a new repository private")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the folder, and send it unless told not to."""
    from evaluation.results import read_result
    from fetch.publishing import publish, require_id
    from training.push.folder import PushPlan, write_folder

    if options.benchmark and options.result is None:
        raise UsageError("--benchmark says of which test results are, and there are none", "add --result FILE")
    for identifier in filter(None, (options.repo, options.base, options.benchmark, *options.data)):
        require_id(identifier)
    scores = None if options.result is None else read_result(options.result)
    name = options.name or (options.repo or options.run_folder.resolve().name).rsplit("/", 1)[-1]
    plan = PushPlan(name, options.licence, tuple(options.data), options.base, scores, options.benchmark)
    output = options.output or options.run_folder / FOLDER
    files = write_folder(options.run_folder, output, plan)
    show("\n".join(f"{path}: {path.stat().st_size:,} bytes" for path in files))
    if options.dry_run:
        show(f"{output}: nothing was sent; `--repo OWNER/NAME` in place of --dry-run sends it")
        return DONE
    show(f"pushed: {publish(files, output, options.repo, private=options.private, endpoint=options.endpoint)}")
    return DONE
