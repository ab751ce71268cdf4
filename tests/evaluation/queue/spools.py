"""Spools with submissions in them, and workers that run nothing real."""

import json
from contextlib import nullcontext
from pathlib import Path

from evaluation.container.verdict import Fault, Verdict, write_verdict
from evaluation.queue.presence import Presence
from evaluation.queue.spool import QueuedJob, Spool
from evaluation.queue.worker import QueueWorker

DAY = "2026-11-29"


def queued(team="red", archive="a" * 64, image="team/image:1", day=DAY):
    return QueuedJob(team, archive, "one.zip", image, f"{day}T10:00:00+00:00")


def spool_with(folder: Path, teams) -> Spool:
    """A spool with a submission of each team."""
    spool = Spool(folder / "spool", may_make=True)
    archive = folder / "one.zip"
    archive.write_bytes(b"an archive")
    for team in teams:
        spool.add(archive, queued(team))
    return spool


def runs(fault=Fault.NONE, problems=()):
    """What runs a job and comes to a verdict."""

    def run(job, archive, folder, devices):
        assert archive.read_bytes() == b"an archive"
        verdict = Verdict(fault, tuple(problems), archive_sha256=job.archive, integral=0.5)
        folder.mkdir()
        write_verdict(folder, verdict)
        return verdict

    return run


def worker(spool, scratch, run=None, *, name="w", has_image=lambda _image: True, seconds=60.0, **more):
    return QueueWorker(
        spool, Presence(spool, name, seconds), run or runs(), has_image, lambda: nullcontext(None), scratch,
        seconds, pause=0.01, **more,
    )  # fmt: skip


def handed_in(spool, place, fault=Fault.NONE):
    """Write a verdict for a claim, and hand it in."""
    folder = spool.folder.parent / f"result of {place.name}"
    folder.mkdir()
    job = spool.read(place)
    write_verdict(folder, Verdict(fault, archive_sha256=job.archive, integral=0.25))
    spool.store(place, folder)
    return spool.hand_in(place)


def verdict_of(spool, place):
    return json.loads(spool.verdict_path(place).read_text("utf-8"))
