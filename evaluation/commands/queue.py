"""The command `queue`: many submissions through `run-container` on many hosts, by a folder that all of them see."""

from __future__ import annotations

import argparse
import itertools
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from contest.command_line import DONE, WITH_FAULTS, add_quiet, number, whole
from contest.console import one_line, say, show
from evaluation.commands.options import add_metrics
from evaluation.commands.run_container import (
    ENGINES,
    add_devices,
    engine_of,
    gpus_of,
    require_pairs,
    score_of,
)

if TYPE_CHECKING:
    from evaluation.container.verdict import Verdict
    from evaluation.queue.spool import QueuedJob

LEASE_SECONDS = 300.0  # more than a network file system keeps what it knows of a file (a minute)
SECONDS_BETWEEN_LOOKS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the actions of `queue`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    added = actions.add_parser("add", help="put archives into the queue, and make it if there is none")
    worked = actions.add_parser("work", help="run one submission after the other until the queue is empty")
    asked = actions.add_parser("status", help="say what runs where, since when, and what is stuck")
    taken = actions.add_parser("collect", help="enter the verdicts in the register of attempts; one process alone")
    for action, command in ((added, add_archives), (worked, work), (asked, show_status), (taken, collect_verdicts)):
        action.add_argument("--spool", type=Path, required=True, metavar="DIR", help="the queue's folder, seen by all")
        action.set_defaults(run=command)
    added.add_argument("archives", type=Path, nargs="+", metavar="ZIP", help="the submissions' archives")
    added.add_argument("--team", required=True, metavar="NAME", help="whose they are")
    worked.add_argument(
        "--lease",
        type=number(least=0.5, most=86_400),
        default=LEASE_SECONDS,
        metavar="SECONDS",
        help="without a sign of life for so long, a worker is taken for dead; the first worker's is everybody's",
    )
    _add_work(worked)
    add_quiet(worked)
    add_quiet(taken)
    asked.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON too")
    taken.add_argument("--db", type=Path, required=True, metavar="FILE", help="register of attempts, made if not there")
    taken.add_argument("--follow", action="store_true", help="go on until nothing waits or runs")
    taken.set_defaults(when_stopped="what is entered stays; start it again")
    worked.set_defaults(when_stopped="the submission that ran waits again, and no attempt is used")


def _add_work(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="folder with input.json and its pictures")
    add("--ground-truth", type=Path, metavar="FILE", help="score it too: ground_truth.json, in its pictures' folder")
    add("--ids", type=Path, metavar="FILE", help="ids.json, with --ground-truth")
    add("--engine", choices=ENGINES, default=ENGINES[0], help="what runs them; process: no container")
    add("--limits", type=Path, metavar="FILE", help="JSON file with limits that differ from the contest's")
    add("--name", metavar="NAME", help="of this worker (default: the host's, and the process's number)")
    add_devices(parser)
    runs = whole(least=1, most=10_000)
    add(
        "--runs-per-host",
        type=runs,
        metavar="N",
        help="at once on this host, by all workers of this user (default: as many as its processors are enough for)",
    )
    add("--scratch", type=Path, metavar="DIR", help="of this host, where submissions run (default: the system's own)")
    add("--stay", action="store_true", help="wait for more when the queue is empty")
    add_metrics(parser)


def add_archives(options: argparse.Namespace) -> int:
    """`queue add`: archives of a team. They count for the day of the file server's clock, whatever this host's says."""
    from datetime import UTC, datetime

    from evaluation.container.runner import archive_sha256
    from evaluation.queue.archives import image_of
    from evaluation.queue.presence import server_now
    from evaluation.queue.spool import QueuedJob, Spool

    hashes = [archive_sha256(archive) for archive in options.archives]  # a path that is wrong, before anything is added
    spool = Spool(options.spool, may_make=True)
    for archive, sha256 in zip(options.archives, hashes, strict=True):
        added = datetime.fromtimestamp(server_now(spool), UTC).isoformat(timespec="seconds")
        place = spool.add(archive, QueuedJob(options.team, sha256, archive.name, image_of(archive), added))
        show(f"{place.id}: {one_line(archive.name)} of {one_line(options.team)}")
    show(f"added to {options.spool} (next: `evaluation queue work` on each host, then `evaluation queue collect`)")
    return DONE


def work(options: argparse.Namespace) -> int:
    """`queue work`: be a worker."""
    from contest.reading import read_input
    from evaluation.assets_folder import assets_folder
    from evaluation.container.limits import RunLimits, read_limits
    from evaluation.queue.presence import Presence
    from evaluation.queue.rules import asset_hashes, file_hash, require_same_rules
    from evaluation.queue.spool import Spool
    from evaluation.queue.worker import QueueWorker

    require_pairs(options, [("ground_truth", "ids")])
    spool = Spool(options.spool)
    limits = RunLimits() if options.limits is None else read_limits(options.limits)
    score = score_of(options, limits)
    input_json = options.input / "input.json" if options.input.is_dir() else options.input
    read_input(input_json)
    rules = {
        "input": file_hash(input_json),
        "ground_truth": file_hash(options.ground_truth),
        "ids": file_hash(options.ids),
        "wordnet": file_hash(options.wordnet),
        "assets": None if score is None else asset_hashes(assets_folder(options.assets), options.fid_features),
        "limits": asdict(limits),
        "engine": options.engine,
        "lease": options.lease,
        **{name: getattr(options, name) for name in ("mode", "stage", "fid_features")},
    }
    require_same_rules(spool, rules)

    def run_job(job: QueuedJob, archive: Path, folder: Path, devices: tuple[str, ...] | None) -> Verdict:
        from evaluation.container.runner import Request, run_archive

        engine = engine_of(options.engine, devices)
        return run_archive(Request(archive, options.input, folder, engine, limits, score), job.archive)

    @contextmanager
    def places() -> Iterator[tuple[str, ...] | None]:
        from evaluation.container.devices import held_slot, lock_folder

        most = options.runs_per_host or max(1, int((os.cpu_count() or 1) // limits.cpus))
        with held_slot(most, lock_folder(), 0), gpus_of(options.engine, limits, options.devices) as devices:
            yield devices

    name = options.name or f"{socket.gethostname()}-{os.getpid()}"
    scratch = options.scratch or Path(tempfile.gettempdir())
    with Presence(
        spool, "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name), options.lease
    ) as me:
        worker = QueueWorker(
            spool, me, run_job, _image_check(options.engine), places, scratch, options.lease, options.stay
        )
        worker.pause = pause_between_looks(options.lease)
        count = worker.work()
    show(f"the queue is empty; this worker ran {count} submissions (next: `evaluation queue collect`)")
    return DONE


def pause_between_looks(lease: float) -> float:
    """Seconds that pass at least between two looks for dead claims, of a lease of so many."""
    return min(SECONDS_BETWEEN_LOOKS, lease / 5)


def _image_check(engine: str) -> Callable[[str], bool]:
    """What says whether this host has an image; that it has one is asked for once."""
    from evaluation.container.container_engine import ContainerEngine

    present: set[str] = set()
    images = ContainerEngine("docker" if engine == "docker" else "podman")

    def has_image(image: str) -> bool:
        if engine == "process" or image in present or images.has_image(image):
            present.add(image)
            return True
        return False

    return has_image


def show_status(options: argparse.Namespace) -> int:
    """`queue status`: a table, and JSON. Status 1 if something is stuck."""
    from contest.writing import write_json
    from evaluation.queue.rules import agreed_lease
    from evaluation.queue.spool import Spool
    from evaluation.queue.status import STUCK, status_of

    spool = Spool(options.spool)
    status = status_of(spool, agreed_lease(spool, LEASE_SECONDS))
    if options.json is not None:
        write_json(options.json, status.to_json(), indent=1)
    show(status.to_text())
    return WITH_FAULTS if status.counts.get(STUCK) else DONE


def collect_verdicts(options: argparse.Namespace) -> int:
    """`queue collect`: enter verdicts. Status 1 if one can not be read."""
    from evaluation.queue.collector import alone, collect
    from evaluation.queue.lease import LeaseWatch
    from evaluation.queue.presence import note_look
    from evaluation.queue.rules import agreed_lease
    from evaluation.queue.spool import COLLECTOR_NAME, RUNNING, WAITING, Spool

    spool, count, said = Spool(options.spool), 0, set[str]()
    watch = LeaseWatch(spool, LEASE_SECONDS)
    with ExitStack() as stack:
        stack.enter_context(alone(spool))
        if options.follow:
            stack.callback((spool.folder / COLLECTOR_NAME).unlink, missing_ok=True)
        for look in itertools.count(1):
            left = spool.places(WAITING, RUNNING)
            collected, problems = collect(spool, options.db)
            count += len(collected)
            for problem in problems:
                if problem not in said:
                    say(f"evaluation queue: error: {problem}")
                said.add(problem)
            if not options.follow or not left:
                break
            watch.seconds = agreed_lease(spool, LEASE_SECONDS)  # the first worker may come after the collector
            watch.release_dead()
            with suppress(OSError):  # for people's eyes; a full disk shall end no collector
                note_look(spool, look)
            time.sleep(pause_between_looks(watch.seconds))
    show(f"{count} verdicts entered in {options.db}; {len(left)} submissions wait or run")
    return WITH_FAULTS if said else DONE
