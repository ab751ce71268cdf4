"""The register of attempts in one SQLite file: three valid ones a day, three chosen for the private test, best counts.

A day is a day in the register's time zone, which is UTC unless another one is set. An attempt that is still running
takes one of the day's places, so that two started at once can not both be the third. It holds that place by a lease,
which its runner renews; when that has lapsed, the runner is gone, and the place is free again. `drop` frees one at
once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contest.console import one_line, say
from contest.limits import CHOSEN_ATTEMPTS, VALID_ATTEMPTS_A_DAY
from evaluation.container.errors import AttemptsError
from evaluation.container.verdict import Fault, Verdict
from evaluation.sqlite_file import SQLiteFile
from evaluation.table import columns

RUNNING, DROPPED, LAPSED, SURPLUS = "running", "dropped", "lapsed", "surplus"
LEASE = timedelta(minutes=10)
RENEWALS = 5  # in the time of one lease
VALID = Fault.NONE.name.lower()

_SCHEMA = (
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, team TEXT NOT NULL, day TEXT NOT NULL, started TEXT NOT NULL, archive TEXT NOT NULL,
        fault TEXT NOT NULL, score REAL, chosen INTEGER NOT NULL DEFAULT 0, private REAL, lease TEXT
    ) STRICT""",
    *(_JOBS := ("CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, attempt INTEGER NOT NULL) STRICT",)),
    *(
        _ZONE := (
            "CREATE TABLE IF NOT EXISTS zone (only INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT",
            "INSERT OR IGNORE INTO zone VALUES (1, 'UTC')",
        )
    ),
)
_FROM_VERSION_1 = ("ALTER TABLE attempts ADD COLUMN lease TEXT",)
FILE = SQLiteFile(
    "register",
    0x46424341,
    _SCHEMA,
    {1: _FROM_VERSION_1, 2: _JOBS, 3: _ZONE},
    AttemptsError,
    "evaluation run-container --attempts",
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt.

    `fault` is that of its verdict ("none" if valid), or "running", "lapsed", "dropped", or "surplus" if it is valid and
    its team had all of the day's already.
    """

    id: int
    team: str
    day: str
    started: str
    archive: str
    fault: str
    score: float | None
    chosen: bool
    private: float | None


def begin(path: Path, team: str, archive_sha256: str, now: datetime | None = None) -> int:
    """Enter a new attempt of a team and return its number.

    Raises AttemptsError if the team's valid and running attempts of the day are as many as it has.
    """
    moment = _moment(now)
    with _open(path, may_make=True) as connection:
        zone = _zone(connection)
        day = moment.astimezone(zone).date().isoformat()
        _lapse(connection, moment)
        taken = _taken(connection, team, day)
        if taken >= VALID_ATTEMPTS_A_DAY:
            raise AttemptsError(
                f"{one_line(team)} has {taken} valid or running attempts on {day} ({zone.key}); "
                f"{VALID_ATTEMPTS_A_DAY} are allowed",
                "submit again tomorrow",
            )
        number = connection.execute(
            "INSERT INTO attempts (team, day, started, archive, fault, lease) VALUES (?, ?, ?, ?, ?, ?)",
            (team, day, _written(moment), archive_sha256, RUNNING, _written(moment + LEASE)),
        ).lastrowid
        assert number is not None
        return number


def renew(path: Path, number: int, now: datetime | None = None) -> None:
    """Prolong the lease of an attempt that is running. Raises AttemptsError."""
    with _open(path) as connection:
        connection.execute(
            "UPDATE attempts SET lease = ? WHERE id = ? AND fault = ?",
            (_written(_moment(now) + LEASE), number, RUNNING),
        )


@contextmanager
def held(path: Path, number: int) -> Iterator[None]:
    """Renew the lease of an attempt for as long as this lasts; one that can not be renewed is named once."""
    done = threading.Event()

    def hold() -> None:
        said = False
        while not done.wait(LEASE.total_seconds() / RENEWALS):
            try:
                renew(path, number)
            except AttemptsError as error:
                if not said:
                    say(f"evaluation: warning: the lease of attempt {number} can not be renewed: {error}")
                said = True

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()


def free_lapsed(path: Path, now: datetime | None = None) -> tuple[Attempt, ...]:
    """Free the places of attempts whose lease has lapsed, say so, and return these. Raises AttemptsError."""
    with _open(path) as connection:
        lapsed = _lapse(connection, _moment(now))
    for attempt in lapsed:
        name = one_line(attempt.team)
        say(f"evaluation: attempt {attempt.id} of {name} ended without a verdict; its place is free again")
    return lapsed


def finish(path: Path, number: int, verdict: Verdict) -> None:
    """Enter what an attempt came to. Raises AttemptsError if it is not running.

    The verdict of one whose lease lapsed (a machine that slept) is entered too, unless its place was taken meanwhile.
    """
    with _open(path) as connection:
        changed = connection.execute(
            "UPDATE attempts SET fault = ?, score = ? WHERE id = ? AND fault IN (?, ?)",
            (verdict.fault.name.lower(), verdict.integral, number, RUNNING, LAPSED),
        ).rowcount
        (taken,) = connection.execute(
            "SELECT count(*) FROM attempts AS own JOIN attempts AS day ON own.team = day.team AND own.day = day.day"
            " WHERE own.id = ? AND day.fault IN (?, ?)",
            (number, VALID, RUNNING),
        ).fetchone()
        if changed and verdict.counts and taken > VALID_ATTEMPTS_A_DAY:
            raise AttemptsError(
                f"attempt {number} lost its place when its lease lapsed, and {VALID_ATTEMPTS_A_DAY} others count",
                "decide which of them is to count",
            )
        if not changed:
            raise AttemptsError(f"attempt {number} is not running", "look at `evaluation attempts list`")


def enter(
    path: Path, job: str, team: str, archive_sha256: str, fault: str, score: float | None, started: datetime
) -> tuple[int, str]:
    """Enter an attempt of a queue with its verdict, once however often this is called; return its number and fault.

    Raises AttemptsError.
    """
    moment = _moment(started)
    with _open(path, may_make=True) as connection:
        day = moment.astimezone(_zone(connection)).date().isoformat()
        known = connection.execute(
            "SELECT id, fault FROM jobs JOIN attempts ON attempt = id WHERE job = ?", (job,)
        ).fetchone()
        if known is not None:
            return int(known[0]), str(known[1])
        taken = _taken(connection, team, day)
        if fault == VALID and taken >= VALID_ATTEMPTS_A_DAY:
            fault = SURPLUS
        number = connection.execute(
            "INSERT INTO attempts (team, day, started, archive, fault, score) VALUES (?, ?, ?, ?, ?, ?)",
            (team, day, _written(moment), archive_sha256, fault, score),
        ).lastrowid
        assert number is not None
        connection.execute("INSERT INTO jobs VALUES (?, ?)", (job, number))
        return number, fault


def drop(path: Path, number: int) -> None:
    """Free the place of an attempt whose runner died. Raises AttemptsError if it is not running."""
    with _open(path) as connection:
        if not connection.execute(
            "UPDATE attempts SET fault = ? WHERE id = ? AND fault = ?", (DROPPED, number, RUNNING)
        ).rowcount:
            raise AttemptsError(f"attempt {number} is not running", "only an attempt without a verdict can be dropped")


def choose(path: Path, team: str, numbers: Sequence[int]) -> None:
    """Choose a team's attempts for the private test, in place of those chosen before.

    Raises AttemptsError for too many, for another team's, for one that is not valid, and after the private test.
    """
    if len(set(numbers)) > CHOSEN_ATTEMPTS:
        raise AttemptsError(f"{len(set(numbers))} attempts were chosen; {CHOSEN_ATTEMPTS} are allowed", "choose fewer")
    name = one_line(team)
    with _open(path) as connection:
        own = {attempt.id: attempt for attempt in _read(connection) if attempt.team == team}
        bad = [number for number in numbers if number not in own or own[number].fault != VALID]
        if bad:
            raise AttemptsError(f"{bad} are no valid attempts of {name}", "choose from `evaluation attempts list`")
        if any(attempt.private is not None for attempt in own.values()):
            raise AttemptsError(f"the private test of {name} has been scored", "a choice can not be changed after it")
        connection.execute("UPDATE attempts SET chosen = 0 WHERE team = ?", (team,))
        connection.executemany("UPDATE attempts SET chosen = 1 WHERE id = ?", [(number,) for number in numbers])


def enter_private(path: Path, number: int, score: float) -> None:
    """Enter the score of a chosen attempt on the private test. Raises AttemptsError if it was not chosen."""
    if not 0 <= score <= 1:
        raise AttemptsError(f"{score} is no score", "a score lies within [0, 1]")
    with _open(path) as connection:
        changed = connection.execute(
            "UPDATE attempts SET private = ? WHERE id = ? AND chosen = 1", (score, number)
        ).rowcount
        if not changed:
            raise AttemptsError(f"attempt {number} was not chosen for the private test", "choose it first")


def zone_of(path: Path) -> ZoneInfo:
    """Return the time zone in which the register's days begin. Raises AttemptsError."""
    with _open(path) as connection:
        return _zone(connection)


def set_zone(path: Path, zone: ZoneInfo) -> int:
    """Let days begin in another time zone, those of the attempts entered before too; return how many of these moved.

    No verdict changes: who had three attempts that count on a day keeps them. Raises AttemptsError.
    """
    with _open(path, may_make=True) as connection:
        connection.execute("UPDATE zone SET name = ?", (zone.key,))
        days = {
            each.id: datetime.fromisoformat(each.started).astimezone(zone).date().isoformat()
            for each in _read(connection)
        }
        moved = [(days[each.id], each.id) for each in _read(connection) if each.day != days[each.id]]
        connection.executemany("UPDATE attempts SET day = ? WHERE id = ?", moved)
        return len(moved)


def named_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as Europe/Moscow. Raises AttemptsError if this machine knows none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise AttemptsError(
            f"no time zone is called {one_line(name)[:60]}", "name one such as Europe/Moscow"
        ) from error


def read(path: Path) -> tuple[Attempt, ...]:
    """Return all attempts in the order they were entered. Raises AttemptsError."""
    with _open(path) as connection:
        return _read(connection)


def standings(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return the best private attempt of each team, best first; of equal ones the earlier."""
    best: dict[str, Attempt] = {}
    scored = [attempt for attempt in attempts if attempt.private is not None]
    for attempt in sorted(scored, key=lambda attempt: (-(attempt.private or 0.0), attempt.id)):
        best.setdefault(attempt.team, attempt)
    return tuple(best.values())


def attempts_table(attempts: Sequence[Attempt]) -> str:
    """Return attempts as text."""
    rows = [("attempt", "team", "started", "verdict", "S", "chosen", "private S")]
    for attempt in attempts:
        scores = ["-" if value is None else f"{value:.4f}" for value in (attempt.score, attempt.private)]
        verdict = "valid" if attempt.fault == VALID else attempt.fault
        chosen = "yes" if attempt.chosen else ""
        rows.append((str(attempt.id), one_line(attempt.team), attempt.started, verdict, scores[0], chosen, scores[1]))
    return columns(rows)


def _lapse(connection: sqlite3.Connection, now: datetime) -> tuple[Attempt, ...]:
    """Mark running attempts whose lease has lapsed, and return these; the text of a moment sorts as the moment does."""
    update = "UPDATE attempts SET fault = ? WHERE fault = ? AND lease < ? RETURNING id"
    over = {number for (number,) in connection.execute(update, (LAPSED, RUNNING, _written(now))).fetchall()}
    return tuple(attempt for attempt in _read(connection) if attempt.id in over) if over else ()


def _taken(connection: sqlite3.Connection, team: str, day: str) -> int:
    """How many of a day's places a team has used, or holds."""
    query = "SELECT count(*) FROM attempts WHERE team = ? AND day = ? AND fault IN (?, ?)"
    (taken,) = connection.execute(query, (team, day, VALID, RUNNING)).fetchone()
    return int(taken)


def _zone(connection: sqlite3.Connection) -> ZoneInfo:
    (name,) = connection.execute("SELECT name FROM zone").fetchone()
    return named_zone(name)


def _moment(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _read(connection: sqlite3.Connection) -> tuple[Attempt, ...]:
    rows = connection.execute(
        "SELECT id, team, day, started, archive, fault, score, chosen, private FROM attempts ORDER BY id"
    )
    return tuple(
        Attempt(number, team, day, started, archive, fault, score, bool(chosen), private)
        for number, team, day, started, archive, fault, score, chosen, private in rows
    )


@contextmanager
def _open(path: Path, *, may_make: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a connection as `SQLiteFile.opened` does; values that SQLite can not hold are errors in words."""
    try:
        with FILE.opened(path, may_make=may_make) as connection:
            yield connection
    except OverflowError as error:
        raise AttemptsError(
            "no attempt has a number of so many digits", "look at `evaluation attempts list`"
        ) from error
    except UnicodeEncodeError as error:
        raise AttemptsError("the name of the team is not UTF-8", "give another one") from error
