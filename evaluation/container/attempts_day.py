"""What an organiser asks every day: who used how many attempts, which count, whose fault the others are, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contest.console import Cell, one_line
from contest.limits import VALID_ATTEMPTS_A_DAY
from evaluation.container.attempts import DROPPED, LAPSED, RUNNING, SURPLUS, VALID, Attempt
from evaluation.container.verdict import Fault
from evaluation.results import csv_text
from evaluation.table import columns, cut

HOST = Fault.HOST.name.lower()
TEAM_COLUMNS = 24
CSV_COLUMNS = ("attempt", "team", "day", "started", "verdict", "means", "counts", "S", "chosen", "waits_for_private")
_MEANS = {
    VALID: "counts",
    RUNNING: "holds a place",
    SURPLUS: "valid, beyond the day's",
    HOST: "host's fault: run again",
    LAPSED: "its runner is gone",
    DROPPED: "dropped",
}


def means(attempt: Attempt) -> str:
    """Return in words whether an attempt counts, and why not; only what counts or runs uses one of the day's places."""
    return _MEANS.get(attempt.fault, "its own fault")


def waits(attempt: Attempt) -> bool:
    """Whether an attempt was chosen for the private test, and is not scored there yet."""
    return attempt.chosen and attempt.private is None


@dataclass(frozen=True, slots=True)
class TeamDay:
    """A team's attempts of a day, by what came of them; `chosen` and `waiting` are of all days.

    `left` is how many more may count on that day, those that run taken for valid.
    """

    team: str
    counting: int
    running: int
    left: int
    own_fault: int
    host_fault: int
    without_verdict: int
    surplus: int
    chosen: int
    waiting: int


@dataclass(frozen=True, slots=True)
class AttemptsDay:
    """A day: its teams by name, its attempts in the order they were entered, and what waits for the private test."""

    day: date
    zone: ZoneInfo
    teams: tuple[TeamDay, ...]
    attempts: tuple[Attempt, ...]
    waiting: tuple[Attempt, ...]

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """When the day begins and when the next one does, in UTC."""
        start, end = (datetime.combine(self.day + timedelta(days=more), time(), self.zone) for more in (0, 1))
        return start.astimezone(UTC), end.astimezone(UTC)

    @property
    def heading(self) -> str:
        """The day in words."""
        start, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in self.bounds)
        return f"{self.day} in {self.zone.key}: from {start} to {end} UTC"

    def local(self, attempt: Attempt) -> str:
        """When an attempt started, by the clock of the day's time zone."""
        return datetime.fromisoformat(attempt.started).astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def to_text(self) -> str:
        """Return the tables."""
        parts = [f"attempts of {self.heading}\n{VALID_ATTEMPTS_A_DAY} may count for a team"]
        if self.teams:
            head = ("team", "count", "run", "left", "own fault", "host's", "no verdict", "surplus", "chosen", "waiting")
            rows = [(cut(each.team, TEAM_COLUMNS), *map(str, list(asdict(each).values())[1:])) for each in self.teams]
            parts.append(columns([head, *rows]))
        parts.append(self._list(self.attempts) if self.attempts else "no attempt was started on this day")
        if self.waiting:
            parts.append("chosen, and not scored on the private test yet:\n" + self._list(self.waiting))
        else:
            parts.append("nothing waits for the private test")
        return "\n\n".join(parts)

    def _list(self, found: Sequence[Attempt]) -> str:
        rows = [("attempt", "team", "started", "verdict", "S", "what it means")]
        for each in found:
            score = "-" if each.score is None else f"{each.score:.4f}"
            team = cut(each.team, TEAM_COLUMNS)
            rows.append((str(each.id), team, self.local(each), verdict(each), score, means(each)))
        return columns(rows)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object; `team` is as it was entered, in whatever writing."""
        start, end = (moment.isoformat() for moment in self.bounds)
        return {
            "day": self.day.isoformat(),
            "time_zone": self.zone.key,
            "from": start,
            "to": end,
            "may_count": VALID_ATTEMPTS_A_DAY,
            "teams": [asdict(each) for each in self.teams],
            "attempts": [_as_json(each) for each in self.attempts],
            "waiting_for_private": [_as_json(each) for each in self.waiting],
        }

    def to_csv(self) -> str:
        """Return a row for each attempt of the day, then for each of another day that waits for the private test."""
        others = [each for each in self.waiting if each not in self.attempts]
        rows: list[Sequence[Cell]] = [CSV_COLUMNS]
        for each in (*self.attempts, *others):
            what = (each.id, one_line(each.team), each.day, self.local(each), verdict(each), means(each))
            rows.append((*what, each.fault == VALID, each.score, each.chosen, waits(each)))
        return csv_text(rows)


def day_of(attempts: Sequence[Attempt], zone: ZoneInfo, day: date | None, now: datetime | None = None) -> AttemptsDay:
    """Return a day of the register, today in its time zone if none is named.

    Teams are those with an attempt on the day, or with one that waits for the private test.
    """
    day = day or (now or datetime.now(UTC)).astimezone(zone).date()
    of_day = tuple(each for each in attempts if each.day == day.isoformat())
    waiting = tuple(filter(waits, attempts))
    teams = sorted({each.team for each in (*of_day, *waiting)})
    return AttemptsDay(day, zone, tuple(_team(team, of_day, attempts) for team in teams), of_day, waiting)


def verdict(attempt: Attempt) -> str:
    """Return the verdict's word, as the other tables have it."""
    return "valid" if attempt.fault == VALID else attempt.fault


def _team(team: str, of_day: Sequence[Attempt], attempts: Sequence[Attempt]) -> TeamDay:
    faults = [each.fault for each in of_day if each.team == team]
    counting, running, host, surplus = (faults.count(fault) for fault in (VALID, RUNNING, HOST, SURPLUS))
    gone = faults.count(LAPSED) + faults.count(DROPPED)
    own = [each for each in attempts if each.team == team]
    return TeamDay(
        team,
        counting,
        running,
        max(0, VALID_ATTEMPTS_A_DAY - counting - running),
        len(faults) - counting - running - host - surplus - gone,
        host,
        gone,
        surplus,
        sum(each.chosen for each in own),
        sum(map(waits, own)),
    )


def _as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        **asdict(attempt),
        "counts": attempt.fault == VALID,
        "means": means(attempt),
        "waits_for_private": waits(attempt),
    }
