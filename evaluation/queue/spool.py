"""A queue of submissions as a folder on storage that all hosts see: who has which one, by atomic renames alone.

    SPOOL/rules.json                             what all verdicts depend on, written by the first worker
    SPOOL/archives/<sha256>.zip                  what was submitted
    SPOOL/waiting/<job>~<claims>                 a job nobody has; `claims` counts those who have had it
    SPOOL/running/<job>~<claims>~<token>         a job that a worker has; the token is that of this one claim
    SPOOL/done/<job>~<claims>~<token>            a job whose verdict lies in results/ under the same name
    SPOOL/collected/<job>~<fault>                a job that is in the register of attempts
    SPOOL/beats/<job>~<claims>~<token>           the signs of life of who has it
    SPOOL/results/<job>~<claims>~<token>/        the folder of `run-container`
    SPOOL/workers/<name>.json                    a worker, as long as it lives
    SPOOL/collector.json                         the collector, as long as it follows

A job is one file, which says what was submitted, and whose place says the rest. It is in one place at any time, so no
job is lost, and nobody hands in a verdict for a job that another one took over: his file is not there any more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from contest.atomic import locked, replacing
from contest.console import one_line, say
from contest.limits import VALID_ATTEMPTS_A_DAY
from contest.writing import write_json, writing
from evaluation.container.verdict import VERDICT_JSON, Fault, Verdict, write_verdict
from evaluation.queue.errors import QueueError

WAITING, RUNNING, DONE, COLLECTED = "waiting", "running", "done", "collected"
STATES = (WAITING, RUNNING, DONE, COLLECTED)
ARCHIVES, BEATS, RESULTS, WORKERS = "archives", "beats", "results", "workers"
RULES_NAME, LOCK_NAME, COLLECTOR_NAME = "rules.json", ".lock", "collector.json"
MOST_CLAIMS = 3  # of a job, by workers that were lost with it or whose host failed it
LOST = "lost"  # in place of a token: nobody handed this verdict in
VALID = Fault.NONE.name.lower()
_NAME = re.compile(r"(?P<id>\d{6,}-[0-9a-f]{8})~(?P<second>[0-9a-z]+)(~(?P<token>[0-9a-z-]+))?")


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A submission: its team, the SHA-256 of its archive, the file's name, its image ("" if that can not be read), and
    the moment when it was added (ISO, UTC), by the file server's clock."""

    team: str
    archive: str
    file: str
    image: str
    added: str

    @property
    def day(self) -> str:
        """The day (UTC) that it counts for."""
        return self.added[:10]


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where a job is: its state and the name of its file.

    `claims`: how many have had it, those who have it included; 0 where it is collected. `token` is that of a claim.
    `fault` is that of a collected job's verdict.
    """

    state: str
    id: str
    claims: int = 0
    token: str = ""
    fault: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        if self.state == COLLECTED:
            return f"{self.id}~{self.fault}"
        return f"{self.id}~{self.claims}" + (f"~{self.token}" if self.token else "")


class Spool:
    """The folder of a queue. Raises QueueError if there is none, or it can not be made."""

    def __init__(self, folder: Path, *, may_make: bool = False) -> None:
        self.folder = folder
        if may_make:
            with writing(folder):
                for name in (*STATES, ARCHIVES, BEATS, RESULTS, WORKERS):
                    (folder / name).mkdir(parents=True, exist_ok=True)
        if not (folder / WAITING).is_dir():
            raise QueueError(f"{folder} is no queue", "`evaluation queue add` makes one")

    def path(self, place: JobPlace) -> Path:
        """The file of a job."""
        return self.folder / place.state / place.name

    def results(self, place: JobPlace) -> Path:
        """The folder of what came of a claim."""
        return self.folder / RESULTS / place.name

    def beat(self, place: JobPlace) -> Path:
        """The file of the signs of life of a claim."""
        return self.folder / BEATS / place.name

    def places(self, *states: str) -> list[JobPlace]:
        """The jobs in some states, or all, in the order they were added. Raises OSError."""
        found = [
            place
            for state in states or STATES
            for name in os.listdir(self.folder / state)
            if (place := _place(state, name)) is not None
        ]
        return sorted(found, key=lambda place: (_number(place.id), place.id))

    def read(self, place: JobPlace) -> QueuedJob | None:
        """What was submitted; None if the job has left this place. Raises QueueError for a damaged file."""
        try:
            return QueuedJob(**json.loads(self.path(place).read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise QueueError(
                f"{self.path(place)} is damaged ({error})", "remove it, and add the archive again"
            ) from error

    def add(self, archive: Path, job: QueuedJob) -> JobPlace:
        """Put a submission into the queue. Raises QueueError if the team has no place left that day; ContestError."""
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder / LOCK_NAME))
            except OSError as error:
                say(
                    f"{self.folder} can not be locked ({error.strerror}): take care that one alone adds to it at a time"
                )
            places = self.places()
            self._require_place(job, places)
            stored = self.folder / ARCHIVES / f"{job.archive}.zip"
            if not stored.exists():
                with writing(stored), replacing(stored, sync=True) as temporary:
                    shutil.copyfile(archive, temporary)
            number = max((_number(place.id) for place in places), default=0) + 1
            place = JobPlace(WAITING, f"{number:06d}-{uuid4().hex[:8]}")
            write_json(self.path(place), asdict(job))
        return place

    def _require_place(self, job: QueuedJob, places: list[JobPlace]) -> None:
        counting = [place for place in places if place.state != COLLECTED or place.fault == VALID]
        same = [one for place in counting if (one := self.read(place)) and (one.team, one.day) == (job.team, job.day)]
        if len(same) >= VALID_ATTEMPTS_A_DAY:
            had = f"{one_line(job.team)} has {len(same)} valid or open submissions of {job.day} (UTC) here"
            raise QueueError(f"{had}; {VALID_ATTEMPTS_A_DAY} are allowed", "add it tomorrow")

    def claim(self, place: JobPlace, token: str) -> JobPlace | None:
        """Take a waiting job; None if another worker was quicker. Raises OSError."""
        mine = claimed(place, token)
        return mine if self._move(place, mine) else None

    def give_back(self, mine: JobPlace) -> bool:
        """Let a job wait again that was not run to its end, as if it had not been claimed; False if it was lost."""
        return self._move(mine, JobPlace(WAITING, mine.id, mine.claims - 1))

    def release(self, claim: JobPlace, problem: str) -> bool:
        """Let a job wait again that was lost with its worker, or that the worker's host failed.

        After too many such claims it is done, by the fault of hosts. Returns False if somebody else has done so. Raises
        ContestError, OSError.
        """
        if claim.claims < MOST_CLAIMS:
            return self._move(claim, JobPlace(WAITING, claim.id, claim.claims))
        lost = JobPlace(DONE, claim.id, claim.claims, LOST)
        job = self.read(claim)
        if job is None:
            return False
        problems = (f"{claim.claims} workers had it, and none came to its end; the last: {problem}",)
        verdict = Verdict(Fault.HOST, problems, archive_sha256=job.archive, image=job.image or None)
        with writing(self.results(lost)):
            self.results(lost).mkdir(exist_ok=True)
        write_verdict(self.results(lost), verdict)
        return self._move(claim, lost)

    def store(self, mine: JobPlace, folder: Path) -> None:
        """Copy what came of a claim, a folder with its verdict, to where it is looked for once it is handed in.

        Raises ContestError if it can not be stored; then nothing of it is there.
        """
        target = self.results(mine)
        coming = target.with_name(f".{target.name}.tmp")
        try:
            with writing(coming):
                shutil.copytree(folder, coming, symlinks=True)
                os.replace(coming, target)
        finally:
            shutil.rmtree(coming, ignore_errors=True)

    def hand_in(self, mine: JobPlace) -> bool:
        """Hand in what was stored for a claim; False, and nothing is kept of it, if the job was lost meanwhile.

        Raises OSError.
        """
        delivered = self._move(mine, JobPlace(DONE, mine.id, mine.claims, mine.token))
        if not delivered:
            shutil.rmtree(self.results(mine), ignore_errors=True)
        return delivered

    def verdict_path(self, done: JobPlace) -> Path:
        """The verdict of a job that is done."""
        return self.results(done) / VERDICT_JSON

    def collect(self, done: JobPlace, fault: str) -> bool:
        """Note that a verdict is in the register. Raises OSError."""
        return self._move(done, JobPlace(COLLECTED, done.id, fault=fault))

    def _move(self, source: JobPlace, target: JobPlace) -> bool:
        try:
            os.rename(self.path(source), self.path(target))
        except FileNotFoundError:
            # A file server may get a request twice, when its first answer was lost: then it was done, and by us, as
            # no other claim has this token.
            return bool(target.token) and target.token != LOST and self.path(target).exists()
        if source.state == RUNNING:
            self.beat(source).unlink(missing_ok=True)
        return True


def claimed(place: JobPlace, token: str) -> JobPlace:
    """Where a waiting job is when it has been claimed."""
    return JobPlace(RUNNING, place.id, place.claims + 1, token)


def _place(state: str, name: str) -> JobPlace | None:
    match = _NAME.fullmatch(name)
    if match is None:  # a file that is being written
        return None
    if state == COLLECTED:
        return JobPlace(state, match["id"], fault=match["second"])
    if not match["second"].isdecimal():
        return None
    return JobPlace(state, match["id"], int(match["second"]), match["token"] or "")


def _number(job: str) -> int:
    return int(job.partition("-")[0])
