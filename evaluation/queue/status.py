"""What is in a queue: which submission is where, since when, and what is stuck."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from evaluation.container.verdict import VERDICT_JSON
from evaluation.queue.lease import read_beat, seconds_running
from evaluation.queue.presence import server_now
from evaluation.queue.spool import COLLECTED, COLLECTOR_NAME, RESULTS, RUNNING, VALID, WAITING, WORKERS, JobPlace, Spool
from evaluation.table import columns, cut

STUCK = "stuck"
HEADER = ("job", "team", "archive", "state", "runs for", "silent for", "claims", "verdict", "worker")
MOST_COLUMNS = 28


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One submission.

    Attributes:
        job: its id.
        team: whose it is.
        file: name of its archive.
        state: waiting, running, stuck (running, without a sign of life for a lease), done (to be collected), collected.
        worker: who has it, or why nobody has.
        seconds: how long it has been running; None if it is not.
        silent: seconds since the last sign of life, by the file server's clock; None if it is not running.
        claims: how often it was claimed; 0 when it is collected.
        verdict: what came of it; empty before that.

    """

    job: str
    team: str
    file: str
    state: str
    worker: str = ""
    seconds: float | None = None
    silent: float | None = None
    claims: int = 0
    verdict: str = ""


@dataclass(frozen=True)
class QueueStatus:
    """All submissions, and what workers, and the collector if one follows, say of themselves, with `silent` seconds."""

    jobs: list[JobStatus]
    workers: list[dict[str, Any]]
    collector: dict[str, Any] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Submissions by state."""
        return dict(Counter(job.state for job in self.jobs))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "counts": self.counts,
            "jobs": [asdict(job) for job in self.jobs],
            "workers": self.workers,
            "collector": self.collector,
        }

    def to_text(self) -> str:
        """Return the table, and a line of the counts."""
        rows: list[tuple[str, ...]] = [HEADER]
        for job in self.jobs:
            texts = [cut(text, MOST_COLUMNS) for text in (job.team, job.file)]
            times = ["" if value is None else f"{value:.0f} s" for value in (job.seconds, job.silent)]
            verdict = "valid" if job.verdict == VALID else job.verdict
            rows.append((job.job, *texts, job.state, *times, str(job.claims), verdict, job.worker))
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items()) or "nothing"
        alive = f"{len(self.workers)} workers" if len(self.workers) != 1 else "1 worker"
        return "\n".join([columns(rows), f"{counts}; {alive}; {self._collector()}", *self._silent_workers()])

    def _collector(self) -> str:
        if self.collector is None:
            return "no collector follows"
        return f"the collector on {self.collector['host']} looked {self.collector['silent']:.0f} s ago"

    def _silent_workers(self) -> list[str]:
        return [
            f"worker {one['name']}: no sign of life for {one['silent']:.0f} s" for one in self.workers if one["dead"]
        ]


def status_of(spool: Spool, lease: float) -> QueueStatus:
    """Look at a queue once. Ages are by the file server's clock alone.

    Raises ContestError, QueueError, OSError.
    """
    now = server_now(spool)
    workers = _workers(spool, now, lease)
    jobs = [status for place in spool.places() if (status := _job(spool, place, now, lease, workers)) is not None]
    return QueueStatus(jobs, workers, _collector(spool, now))


def _collector(spool: Spool, now: float) -> dict[str, Any] | None:
    path = spool.folder / COLLECTOR_NAME
    try:
        return {**json.loads(path.read_text("utf-8")), "silent": round(max(0.0, now - path.stat().st_mtime), 1)}
    except (OSError, ValueError):  # there is none, or it ends just now
        return None


def _job(spool: Spool, place: JobPlace, now: float, lease: float, workers: list[dict[str, Any]]) -> JobStatus | None:
    job = spool.read(place)
    if job is None:  # it has moved on meanwhile
        return None
    known = JobStatus(place.id, job.team, job.file, place.state, claims=place.claims)
    if place.state == RUNNING:
        silent, ran = _signs(spool, place, now)
        state = STUCK if silent is not None and silent > lease else RUNNING
        who = [str(one["name"]) for one in workers if place.token.startswith(str(one["token"]))]
        return replace(known, state=state, worker=who[0] if who else "gone", seconds=ran, silent=silent)
    if place.state == WAITING:
        alive = [one for one in workers if not one["dead"]]
        lacking = bool(job.image) and bool(alive) and all(job.image in one["lacks"] for one in alive)
        return replace(known, worker=f"no worker has {job.image}" if lacking else "")
    if place.state == COLLECTED:
        return replace(known, verdict=place.fault)
    return replace(known, verdict=_verdict(spool, place))


def _signs(spool: Spool, place: JobPlace, now: float) -> tuple[float | None, float | None]:
    """Seconds since the last sign of life, and those that the run takes by now."""
    beat = spool.beat(place)
    try:
        silent = max(0.0, now - beat.stat().st_mtime)
        ran = seconds_running(read_beat(beat))
    except FileNotFoundError:
        return None, None
    return silent, None if ran is None else ran + silent


def _verdict(spool: Spool, place: JobPlace) -> str:
    try:
        return str(json.loads((spool.folder / RESULTS / place.name / VERDICT_JSON).read_text("utf-8"))["fault"])
    except (OSError, ValueError, KeyError):
        return "can not be read"


def _workers(spool: Spool, now: float, lease: float) -> list[dict[str, Any]]:
    workers = []
    for path in sorted((spool.folder / WORKERS).glob("[!.]*.json"), key=lambda path: path.stem):
        try:
            told, silent = json.loads(path.read_text("utf-8")), max(0.0, now - path.stat().st_mtime)
        except (OSError, ValueError):  # it ends, or is just being written
            continue
        workers.append({**told, "silent": round(silent, 1), "dead": silent > lease})
    return workers
