"""The commands `run-container` and `attempts`. Knows options and exit statuses, and leaves the rest to its neighbours.

Exit status of `run-container` 0: valid. 1: not valid, by the submission's fault. 2: the host's, or nothing was run.
129, 130, 143: ended by SIGHUP, SIGINT or SIGTERM, with nothing left running and no attempt used.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from contest.console import one_line, say, show
from contest.reading import read_ground_truth, read_ids
from contest.tasks import task_by_id
from evaluation.assets import FID_FEATURES
from evaluation.commands.options import number, whole
from evaluation.container import attempts
from evaluation.container.container_engine import ContainerEngine
from evaluation.container.errors import BadAttempts
from evaluation.container.job import SIGNAL_BASE, Engine
from evaluation.container.limits import Limits, read_limits
from evaluation.container.process_engine import ProcessEngine
from evaluation.container.runner import Request, Score, archive_sha256, rewrite_verdict, run_archive
from evaluation.container.scoring import Scoring
from evaluation.container.stopping import Stopped, stopped_by_signals
from evaluation.container.verdict import Fault, Verdict
from evaluation.metrics.base import MODES
from evaluation.progress import on_terminal
from evaluation.statistics import Resampling
from evaluation.tasks import Metrics

VALID, NOT_VALID, NOT_RUN = 0, 1, 2
ENGINES: dict[str, Engine] = {
    "docker": ContainerEngine("docker"),
    "podman": ContainerEngine("podman"),
    "process": ProcessEngine(),
}


def run_container(options: argparse.Namespace) -> int:
    """`run-container`: an archive in its container, and the verdict."""
    engine = ENGINES[options.engine]
    limits = Limits() if options.limits is None else read_limits(options.limits)
    score = _score(options, limits)  # what is wrong with the organisers' own files is found before hours of running
    if isinstance(engine, ProcessEngine):
        say(f"evaluation: engine process keeps {engine.keeps}")
    sha256 = archive_sha256(options.archive)
    request = Request(options.archive, options.input, options.output, engine, limits, score, options.keep)
    try:
        with stopped_by_signals():
            if options.attempts is None:
                verdict = run_archive(request, sha256)
            else:
                verdict = _run_attempt(request, sha256, options.attempts, options.team)
    except Stopped as stopped:
        say(f"evaluation: stopped by {stopped.number.name}: nothing runs on, and this run has no verdict")
        return SIGNAL_BASE + stopped.number
    show(verdict.to_text().rstrip("\n"))
    if verdict.counts:
        return VALID
    return NOT_RUN if verdict.fault is Fault.HOST else NOT_VALID


def _run_attempt(request: Request, sha256: str, register: Path, team: str) -> Verdict:
    """Run an archive as an attempt of a team. However it ends, the attempt is not left running."""
    if register.is_file():
        _free_lapsed(register)
    number = attempts.begin(register, team, sha256)
    try:
        with attempts.held(register, number):
            verdict = run_archive(replace(request, attempt=(register, number)), sha256)
    except BaseException:
        attempts.drop(register, number)
        raise
    try:
        attempts.finish(register, number, verdict)
    except BadAttempts as error:
        problem = f"the verdict was not entered in the register of attempts: {error}"
        verdict = replace(verdict, fault=Fault.HOST, problems=(*verdict.problems, problem))
        rewrite_verdict(request.output, verdict)
    show(f"attempt {number} of {one_line(team)}")
    return verdict


def _free_lapsed(register: Path) -> None:
    for attempt in attempts.lapsed(register):
        name = one_line(attempt.team)
        say(f"evaluation: attempt {attempt.id} of {name} ended without a verdict; its place is free again")


def _score(options: argparse.Namespace, limits: Limits) -> Score | None:
    """Return what scores predictions, with the organisers' own files looked at; None without references."""
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
        options.resamples,
        limits.scoring,
    )


def list_attempts(options: argparse.Namespace) -> int:
    """`attempts list`: all of them, then the standings of the private test."""
    _free_lapsed(options.db)
    found = attempts.read(options.db)
    show(attempts.attempts_table([attempt for attempt in found if options.team in (None, attempt.team)]))
    best = attempts.standings(found)
    if best:
        show("\nprivate test, the best chosen attempt of each team:")
        show(attempts.attempts_table(best))
    return VALID


def choose_attempts(options: argparse.Namespace) -> int:
    """`attempts choose`: those that are scored on the private test."""
    attempts.choose(options.db, options.team, options.numbers)
    show(f"chosen by {one_line(options.team)}: {', '.join(map(str, options.numbers))}")
    return VALID


def enter_private(options: argparse.Namespace) -> int:
    """`attempts private`: the score of a chosen attempt on the private test."""
    attempts.enter_private(options.db, options.number, options.score)
    return VALID


def drop_attempt(options: argparse.Namespace) -> int:
    """`attempts drop`: one whose runner died without a verdict."""
    attempts.drop(options.db, options.number)
    return VALID


def add_run_container(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of `run-container`."""
    add = parser.add_argument
    add("archive", type=Path, metavar="ZIP", help="the submission's archive")
    add("--input", type=Path, required=True, metavar="DIR", help="folder with input.json and its pictures")
    add("--output", type=Path, required=True, metavar="DIR", help="new folder for verdict, output, log, scores, bundle")
    add("--ground-truth", type=Path, metavar="FILE", help="score it too: ground_truth.json, its pictures beside it")
    add("--ids", type=Path, metavar="FILE", help="ids.json, with --ground-truth")
    add("--engine", choices=ENGINES, default="docker", help="process: no container (default: %(default)s)")
    add("--limits", type=Path, metavar="FILE", help="JSON file with limits that differ from the contest's")
    add("--keep", action="store_true", help="leave the unpacked archive in the output folder")
    add("--attempts", type=Path, metavar="FILE", help="register of attempts (SQLite), made if not there; with --team")
    add("--team", metavar="NAME", help="whose attempt it is")
    add("--mode", choices=MODES, default="official", help="of scoring (default: %(default)s)")
    add("--wordnet", type=Path, metavar="FILE", help="RuWordNet's SQLite file")
    add("--assets", type=Path, metavar="DIR", help="folder with the networks of the metrics")
    add("--fid-features", choices=FID_FEATURES, default=FID_FEATURES[0], help="ruclip is a substitute, and flagged")
    add(
        "--resamples",
        type=whole(least=1),
        default=Resampling().resamples,
        help="of the bootstrap (default: %(default)s)",
    )
    # The output folder has all that is printed: a terminal that is gone changes no verdict.
    parser.set_defaults(command=_checked_run_container, usage_error=parser.error, keeps=("output",))


def _checked_run_container(options: argparse.Namespace) -> int:
    for first, second in (("ground_truth", "ids"), ("attempts", "team")):
        if (getattr(options, first) is None) != (getattr(options, second) is None):
            options.usage_error(f"--{first.replace('_', '-')} and --{second} go together")
    return run_container(options)


def add_attempts(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `attempts`."""
    actions = parser.add_subparsers(required=True, metavar="action")
    list_parser = actions.add_parser("list", help="print the attempts and the private standings")
    list_parser.add_argument("--team", metavar="NAME", help="of one team only")
    choose = actions.add_parser("choose", help="choose up to three valid attempts for the private test")
    choose.add_argument("numbers", type=whole(least=1), nargs="+", metavar="ATTEMPT")
    choose.add_argument("--team", required=True, metavar="NAME")
    private = actions.add_parser("private", help="enter a chosen attempt's score on the private test")
    private.add_argument("number", type=whole(least=1), metavar="ATTEMPT")
    private.add_argument("score", type=number(least=0, most=1), metavar="S")
    dropped = actions.add_parser("drop", help="free the place of an attempt whose runner died")
    dropped.add_argument("number", type=whole(least=1), metavar="ATTEMPT")
    commands = (list_attempts, choose_attempts, enter_private, drop_attempt)
    for action, command in zip((list_parser, choose, private, dropped), commands, strict=True):
        action.add_argument("--db", type=Path, required=True, metavar="FILE", help="the register's SQLite file")
        action.set_defaults(command=command, keeps=() if command is list_attempts else ("db",))
