"""The command `run-container`: a submission's archive through the organisers' runner.

Exit status 0: valid. 1: not valid, by the submission's fault. 2: the host's, or nothing was run.
129, 130, 143: ended by SIGHUP, SIGINT or SIGTERM, with nothing left running and no attempt used.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, NOT_DONE, WITH_FAULTS, UsageError, whole
from contest.console import one_line, say, show
from evaluation.commands.options import add_metrics, add_old, require_stage
from evaluation.progress import on_terminal

if TYPE_CHECKING:
    from evaluation.container.job import RunEngine
    from evaluation.container.limits import RunLimits
    from evaluation.container.runner import Request, Score
    from evaluation.container.verdict import Verdict

ENGINES = ("docker", "podman", "process")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `run-container`."""
    add = parser.add_argument
    add("archive", type=Path, metavar="ZIP", help="the submission's archive")
    add("--input", type=Path, required=True, metavar="DIR", help="folder with input.json and its pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="new folder for verdict, output, log, scores, bundle")
    add("--ground-truth", type=Path, metavar="FILE", help="score it too: ground_truth.json, in its pictures' folder")
    add("--ids", type=Path, metavar="FILE", help="ids.json, with --ground-truth")
    add("--engine", choices=ENGINES, default=ENGINES[0], help="what runs it; process: no container")
    add("--limits", type=Path, metavar="FILE", help="JSON file with limits that differ from the contest's")
    add_devices(parser)
    add("--keep", action="store_true", help="leave the unpacked archive in the output folder")
    add("--attempts", type=Path, metavar="FILE", help="register of attempts (SQLite), made if not there; with --team")
    add("--team", metavar="NAME", help="whose attempt it is")
    add_metrics(parser)
    add_old(parser, "--resamples", type=whole(least=1))  # intervals need none any more
    # The output folder has all that is printed: a terminal that is gone changes no verdict.
    stopped = "nothing runs on, and this run has no verdict"
    parser.set_defaults(run=run_container, keeps=("output",), when_stopped=stopped)


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Add which GPUs a run may have."""
    variables = "SLURM_STEP_GPUS, SLURM_JOB_GPUS or CUDA_VISIBLE_DEVICES"
    parser.add_argument(
        "--devices",
        type=device_ids,
        metavar="ID,...",
        help=f"GPUs to choose from, by id; no two runs on this host get the same (default: {variables}, else all)",
    )


def device_ids(text: str) -> tuple[str, ...]:
    """Read ids of GPUs such as 0,2 or GPU-0f3c7a."""
    ids = tuple(text.split(","))
    if not all(one and all(sign.isalnum() or sign in "-:." for sign in one) for one in ids):
        raise argparse.ArgumentTypeError(f"must be ids of GPUs such as 0,2, not {text[:40]!r}")
    return ids


@contextmanager
def gpus_of(
    engine: str, limits: RunLimits, given: tuple[str, ...] | None, patience: float = 0.0
) -> Iterator[tuple[str, ...] | None]:
    """Hold the GPUs of a run and yield their ids; None without a container, or where none can be seen.

    Raises HostError, HostBusyError if too few get free within `patience` seconds.
    """
    from evaluation.container.devices import held_devices, lock_folder

    if engine == "process" or not limits.gpus:
        yield None
        return
    with held_devices(limits.gpus, given, os.environ, lock_folder(), patience) as devices:
        yield devices


def run_container(options: argparse.Namespace) -> int:
    """Run an archive in its container, and print the verdict."""
    from evaluation.container.limits import RunLimits, read_limits
    from evaluation.container.runner import Request, archive_sha256, run_archive
    from evaluation.container.stopping import stopped_by_signals
    from evaluation.container.verdict import Fault

    require_pairs(options, (("ground_truth", "ids"), ("attempts", "team")))
    engine = engine_of(options.engine)
    limits = RunLimits() if options.limits is None else read_limits(options.limits)
    score = score_of(options, limits)  # what is wrong with the organisers' own files shows before hours of running
    if options.engine == "process":
        say(f"evaluation run-container: engine process keeps {engine.keeps}")
    sha256 = archive_sha256(options.archive)
    with stopped_by_signals(), gpus_of(options.engine, limits, options.devices) as devices:
        engine = engine_of(options.engine, devices)
        request = Request(options.archive, options.input, options.output, engine, limits, score, options.keep)
        if options.attempts is None:
            verdict = run_archive(request, sha256)
        else:
            verdict = _run_attempt(request, sha256, options.attempts, options.team)
    show(verdict.to_text().rstrip("\n"))
    show(f"written: {options.output} (next: read log.txt there; bundle/ is what the participant may see)")
    if verdict.counts:
        return DONE
    return NOT_DONE if verdict.fault is Fault.HOST else WITH_FAULTS


def require_pairs(options: argparse.Namespace, pairs: Sequence[tuple[str, str]]) -> None:
    """Raise UsageError where one option of a pair was given without the other."""
    for first, second in pairs:
        if (getattr(options, first) is None) != (getattr(options, second) is None):
            raise UsageError(f"--{first.replace('_', '-')} and --{second} go together", "give both, or neither")


def engine_of(name: str, devices: tuple[str, ...] | None = None) -> RunEngine:
    """Return an engine; `devices` are ids of the GPUs that it hands over."""
    from evaluation.container.container_engine import ContainerEngine
    from evaluation.container.process_engine import ProcessEngine

    engines: dict[str, RunEngine] = {
        "docker": ContainerEngine("docker", devices),
        "podman": ContainerEngine("podman", devices),
        "process": ProcessEngine(),
    }
    return engines[name]


def _run_attempt(request: Request, sha256: str, register: Path, team: str) -> Verdict:
    """Run an archive as an attempt of a team. However it ends, the attempt is not left running."""
    from evaluation.container import attempts
    from evaluation.container.errors import AttemptsError
    from evaluation.container.runner import rewrite_verdict, run_archive
    from evaluation.container.verdict import Fault

    if register.is_file():
        attempts.free_lapsed(register)
    number = attempts.begin(register, team, sha256)
    try:
        with attempts.held(register, number):
            verdict = run_archive(replace(request, attempt=(register, number)), sha256)
    except BaseException:
        attempts.drop(register, number)
        raise
    try:
        attempts.finish(register, number, verdict)
    except AttemptsError as error:
        problem = f"the verdict was not entered in the register of attempts: {error}"
        verdict = replace(verdict, fault=Fault.HOST, problems=(*verdict.problems, problem))
        rewrite_verdict(request.output, verdict)
    show(f"attempt {number} of {one_line(team)}")
    return verdict


def score_of(options: argparse.Namespace, limits: RunLimits) -> Score | None:
    """Return what scores predictions, with the organisers' own files looked at; None without references."""
    from contest.reading import read_ground_truth, read_ids
    from contest.tasks import task_by_id
    from evaluation.container.scoring import Scoring
    from evaluation.tasks import Metrics

    require_stage(options)
    if options.ground_truth is None:
        return None
    read_ground_truth(options.ground_truth)
    metrics = Metrics(options.mode, options.assets, options.wordnet, options.fid_features, on_terminal)
    for task_id in sorted(set(read_ids(options.ids).values())):
        metrics(task_by_id(task_id))
    return Scoring(
        options.ground_truth,
        options.ids,
        options.input,
        options.mode,
        options.assets,
        options.wordnet,
        options.fid_features,
        limits.scoring,
        options.stage,
    )
