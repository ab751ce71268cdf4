"""A worker of the queue: takes submission after submission, runs each as `run-container` does, hands in the verdict."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from contest.atomic import lock, locked
from contest.console import note, one_line, say
from contest.errors import ContestError
from contest.stop_signals import Stopped
from errors import reason_of
from evaluation.container.errors import HostBusyError, HostError
from evaluation.container.removing import remove_tree
from evaluation.container.stopping import stopped_by_signals
from evaluation.container.verdict import Fault, Verdict
from evaluation.queue.errors import QueueError
from evaluation.queue.lease import Heartbeat, LeaseWatch
from evaluation.queue.presence import Presence
from evaluation.queue.spool import ARCHIVES, RUNNING, WAITING, JobPlace, QueuedJob, Spool, claimed

MOST_HOST_FAULTS = 2  # one after the other: then this host is no place to run anything
MAX_PROBLEM = 300
SCRATCH_PREFIX, OWNER_NAME = "fbc2-queue-", "owner"

RunJob = Callable[[QueuedJob, Path, Path, tuple[str, ...] | None], Verdict]
"""Runs a job: its archive, a new folder for all that comes of it, and the ids of the GPUs to use."""


@dataclass
class QueueWorker:
    """One worker; a host may have several.

    Attributes:
        spool: the queue.
        presence: by which others see it.
        run_job: runs a submission to its verdict.
        has_image: whether this host has an image.
        places: holds what a run needs of this host, and says which GPUs these are. Raises HostBusyError.
        scratch: folder of this host that submissions run in.
        seconds: of a lease.
        stays: whether to go on waiting when the queue is empty.
        pause: seconds between two looks at the queue.

    """

    spool: Spool
    presence: Presence
    run_job: RunJob
    has_image: Callable[[str], bool]
    places: Callable[[], AbstractContextManager[tuple[str, ...] | None]]
    scratch: Path
    seconds: float
    stays: bool = False
    pause: float = 2.0
    done: int = 0
    _host_faults: int = 0
    _failed: set[str] = field(default_factory=set)

    def work(self) -> int:
        """Work until the queue is empty, with nothing running that might come back; return how many were run.

        Raises QueueError if this host fails one submission after the other, HostError, ContestError, OSError.
        """
        watch = LeaseWatch(self.spool, self.seconds)
        while True:
            watch.release_dead()
            chosen = self._choose()
            if chosen is not None:
                try:
                    with self.places() as devices:
                        self._take(chosen, devices)
                    continue
                except HostBusyError as error:
                    self.presence.says(f"waits: {error.message}")
            elif not self.stays and not self.spool.places(WAITING, RUNNING):
                return self.done
            elif not self.stays and self.presence.lacks and not self.spool.places(RUNNING):
                lacking = ", ".join(sorted(self.presence.lacks))
                raise QueueError(f"what still waits needs images that this host has not: {lacking}", "pull them first")
            time.sleep(self.pause)

    def _choose(self) -> JobPlace | None:
        """The first job that this host can run; those that it has failed come last."""
        lacks, chosen = set(), None
        waiting = self.spool.places(WAITING)
        for place in sorted(waiting, key=lambda place: place.id in self._failed):
            job = self.spool.read(place)
            if job is None:  # somebody took it
                continue
            if job.image and not self.has_image(job.image):
                lacks.add(one_line(job.image))
            elif chosen is None:
                chosen = place
                break
        self.presence.lacks = lacks
        return chosen

    def _take(self, place: JobPlace, devices: tuple[str, ...] | None) -> None:
        """Claim a job and run it; however that ends, the job is handed in, waits again, or was taken over."""
        token = f"{self.presence.token}-{uuid4().hex[:8]}"
        mine = claimed(place, token)
        heart: Heartbeat | None = None
        try:
            if self.spool.claim(place, token) is None:
                return
            job = self.spool.read(mine)
            if job is None:
                return
            self.presence.says(f"runs {mine.id}")
            with Heartbeat(self.spool, mine, self.seconds, _interrupt) as heart:
                outcome = self._run(mine, job, devices)
            # From here on the claim goes by our own doing, which is no reason to stop.
            if isinstance(outcome, Verdict):
                self._hand_in(mine, outcome)
            else:
                self._failed_by_host(mine, outcome)
        except Stopped:
            if heart is None or not heart.lost.is_set():
                self._give_back(mine)
                raise
            say(f"evaluation queue: job {mine.id} was taken over by another worker; its run here was stopped")
        except BaseException:
            self._give_back(mine)
            raise
        finally:
            self.presence.says("looks for a submission")

    def _give_back(self, mine: JobPlace) -> None:
        if self.spool.give_back(mine):
            say(f"evaluation queue: job {mine.id} was not run to its end, and waits again")

    def _run(self, mine: JobPlace, job: QueuedJob, devices: tuple[str, ...] | None) -> Verdict | str:
        """Run a job, and store what came of it; return its verdict, or how this host failed it."""
        note(f"evaluation queue: {mine.id} of {one_line(job.team)} ({one_line(job.file)})")
        with scratch_folder(self.scratch) as scratch:
            folder = scratch / "result"
            try:
                with stopped_by_signals():
                    archive = self.spool.folder / ARCHIVES / f"{job.archive}.zip"
                    verdict = self.run_job(job, archive, folder, devices)
                if verdict.fault is Fault.HOST:
                    return "; ".join(verdict.problems)
                self.spool.store(mine, folder)
                return verdict
            except (HostError, ContestError, OSError) as error:
                return reason_of(error)

    def _hand_in(self, mine: JobPlace, verdict: Verdict) -> None:
        delivered = self.spool.hand_in(mine)
        self._host_faults = 0
        self.done += delivered
        self.presence.done = self.done
        word = "valid" if verdict.counts else verdict.fault.name.lower()
        lost = "" if delivered else "; another worker has taken it over, and this verdict is dropped"
        (note if delivered else say)(f"evaluation queue: {mine.id}: {word}{lost}")

    def _failed_by_host(self, mine: JobPlace, problem: str) -> None:
        """Leave the job to another host, and end this worker if its host fails everything."""
        self._failed.add(mine.id)
        self._host_faults += 1
        problem = one_line(problem)[:MAX_PROBLEM]
        say(f"evaluation queue: {mine.id}: this host failed: {problem}; no attempt is used")
        self.spool.release(mine, problem)
        if self._host_faults >= MOST_HOST_FAULTS:
            raise QueueError(f"this host failed {self._host_faults} runs one after the other: {problem}", "mend it")
        time.sleep(self.pause)  # so that another host is quicker


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """A new folder that is removed in the end; those of workers that are gone are removed first. Raises OSError.

    Its owner holds the lock of a file in it. The system lets go of that however the owner ends: killed, with its host's
    power, or with the container that it ran in.
    """
    for owner in place.glob(f"{SCRATCH_PREFIX}*/{OWNER_NAME}"):
        with suppress(OSError):  # it lives, is of another user, or has been cleared away
            _remove_abandoned(owner)
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=place) as scratch:
        # Nobody sees it without its lock.
        draft = Path(scratch) / f".{OWNER_NAME}"
        with locked(draft):
            draft.rename(Path(scratch) / OWNER_NAME)
            yield Path(scratch)


def _remove_abandoned(owner: Path) -> None:
    """Remove the folder of a file that nobody has locked; it is not made, as its owner may be removing it just now."""
    descriptor = os.open(owner, os.O_RDWR)
    try:
        lock(descriptor, seconds=0)
        remove_tree(owner.parent)
    finally:
        os.close(descriptor)


def _interrupt() -> None:
    """End what this process's main thread does, as a signal from outside would."""
    os.kill(os.getpid(), signal.SIGTERM)
