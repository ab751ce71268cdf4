"""The one process that enters verdicts in the register of attempts: SQLite's locks are not safe over a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contest.atomic import locked
from contest.console import note, one_line, say
from evaluation.container import attempts
from evaluation.container.verdict import Fault
from evaluation.queue.errors import QueueError
from evaluation.queue.spool import DONE, JobPlace, QueuedJob, Spool

LOCK_NAME = ".collector.lock"


@dataclass(frozen=True, slots=True)
class CollectedJob:
    """A job in the register: its number there, and its fault there ("none": it counts)."""

    place: JobPlace
    job: QueuedJob
    attempt: int
    fault: str


@contextmanager
def alone(spool: Spool) -> Iterator[None]:
    """Be the only collector of a spool. Raises QueueError if there is one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(spool.folder / LOCK_NAME, seconds=0))
        except TimeoutError as error:
            raise QueueError(f"another process collects from {spool.folder}", "wait for it, or stop it") from error
        except OSError as error:
            say(f"{spool.folder} can not be locked ({error.strerror}): take care that one process alone collects")
        yield


def collect(spool: Spool, register: Path) -> tuple[list[CollectedJob], list[str]]:
    """Enter what is done, in the order it was added; return it, and what is wrong with verdicts that can not be read.

    Killed anywhere it enters nothing twice: the register knows the jobs. Raises AttemptsError, OSError.
    """
    collected, problems = [], []
    for place in spool.places(DONE):
        try:
            job, verdict = spool.read(place), _verdict(spool, place)
        except QueueError as error:
            problems.append(str(error))
            continue
        if job is None:
            continue
        moment = datetime.fromisoformat(job.added)
        if verdict.get("archive_sha256") != job.archive:
            problems.append(f"{place.id}: its verdict is of another archive; look at {spool.results(place)}")
            continue
        number, fault = attempts.enter(
            register, place.id, job.team, job.archive, verdict["fault"], verdict["integral"], moment.astimezone(UTC)
        )
        spool.collect(place, fault)
        collected.append(CollectedJob(place, job, number, fault))
        note(f"attempt {number} of {one_line(job.team)}: {'valid' if fault == attempts.VALID else fault}")
    return collected, problems


def _verdict(spool: Spool, place: JobPlace) -> dict[str, Any]:
    path = spool.verdict_path(place)
    remedy = "put the folder back, or move the job's file to waiting/ to have it run again"
    try:
        verdict: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if verdict["fault"].upper() not in Fault.__members__:
            raise ValueError(f"no fault is called {verdict['fault']!r}")
        return {"integral": None, **verdict}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise QueueError(f"{place.id}: its verdict {path} can not be read ({error})", remedy) from error
