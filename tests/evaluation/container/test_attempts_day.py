"""A day of attempts: what each came to, days in a named time zone, and names that are no use to an attacker."""

import csv
import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from evaluation.__main__ import main
from evaluation.container import attempts
from evaluation.container.attempts import Attempt
from evaluation.container.attempts_day import TeamDay, day_of, means
from evaluation.container.errors import AttemptsError
from evaluation.container.verdict import Fault, Verdict
from evaluation.table import MAX_WIDTH, width

MOSCOW = ZoneInfo("Europe/Moscow")
DAY = date(2026, 11, 21)
EVIL = "\u202e=cmd|' /C calc'!A0\x1b[31m\n"


def attempt(number: int, team: str, fault: str, *, day: date = DAY, chosen: bool = False, private: float | None = None):
    started = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).isoformat()
    score = 0.25 if fault == "none" else None
    return Attempt(number, team, day.isoformat(), started, "0" * 64, fault, score, chosen, private)


def test_what_came_of_a_team_s_attempts() -> None:
    faults = ("none", "running", "time", "crash", "format", "host", "host", "lapsed", "dropped", "surplus")
    entered = [attempt(number, "red", fault) for number, fault in enumerate(faults, start=1)]
    entered += [
        attempt(20, "red", "none", day=date(2026, 11, 20), chosen=True),
        attempt(21, "blue", "none", day=date(2026, 11, 19), chosen=True),
        attempt(22, "green", "none", day=date(2026, 11, 20), chosen=True, private=0.5),
    ]
    day = day_of(entered, MOSCOW, DAY)
    assert day.teams == (
        TeamDay("blue", 0, 0, 3, 0, 0, 0, 0, chosen=1, waiting=1),
        TeamDay(
            "red",
            counting=1,
            running=1,
            left=1,
            own_fault=3,
            host_fault=2,
            without_verdict=2,
            surplus=1,
            chosen=1,
            waiting=1,
        ),
    )
    assert [each.id for each in day.attempts] == list(range(1, 11))
    assert [each.id for each in day.waiting] == [20, 21]
    assert all(width(line) <= MAX_WIDTH for line in day.to_text().splitlines())


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ("none", "counts"),
        ("running", "holds a place"),
        ("host", "host's fault: run again"),
        ("surplus", "valid, beyond the day's"),
        ("lapsed", "its runner is gone"),
        ("dropped", "dropped"),
        *((fault.name.lower(), "its own fault") for fault in Fault if fault not in (Fault.NONE, Fault.HOST)),
    ],
)
def test_every_verdict_has_a_meaning(fault: str, meaning: str) -> None:
    assert means(attempt(1, "red", fault)) == meaning


@pytest.mark.parametrize(
    ("zone", "day", "bounds"),
    [
        ("UTC", date(2026, 11, 21), ("2026-11-21 00:00", "2026-11-22 00:00")),
        ("Europe/Moscow", date(2026, 11, 21), ("2026-11-20 21:00", "2026-11-21 21:00")),
        ("Europe/Berlin", date(2026, 10, 25), ("2026-10-24 22:00", "2026-10-25 23:00")),  # a day of 25 hours
    ],
)
def test_when_a_day_begins(zone: str, day: date, bounds: tuple[str, str]) -> None:
    found = day_of([], ZoneInfo(zone), day)
    assert tuple(f"{moment:%Y-%m-%d %H:%M}" for moment in found.bounds) == bounds
    assert found.heading == f"{day} in {zone}: from {bounds[0]} to {bounds[1]} UTC"


def test_today_is_that_of_the_zone() -> None:
    now = datetime(2026, 11, 21, 22, tzinfo=UTC)
    assert [day_of([], ZoneInfo(zone), None, now).day.day for zone in ("UTC", "Europe/Moscow")] == [21, 22]


def test_the_limit_is_that_of_the_zone_s_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register = tmp_path / "attempts.db"
    late, later = (datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in (20, 22))  # 23 o'clock, and 1 of the next day
    for moment in (late, late, later):
        attempts.finish(register, attempts.begin(register, "red", "0", moment), Verdict(Fault.NONE, integral=0.5))
    with pytest.raises(AttemptsError, match=r"2026-11-21 \(UTC\)"):
        attempts.begin(register, "red", "0", later)
    assert main(["attempts", "zone", "Europe/Moscow", "--db", str(register)]) == 0
    assert "1 attempt moved to another day" in capsys.readouterr().out
    assert [each.day[-2:] for each in attempts.read(register)] == ["21", "21", "22"]
    for _ in range(2):
        attempts.begin(register, "red", "0", later)
    with pytest.raises(AttemptsError, match=r"2026-11-22 \(Europe/Moscow\)"):
        attempts.begin(register, "red", "0", later)
    number, fault = attempts.enter(register, "job", "red", "0", "none", 0.5, late)
    assert (attempts.read(register)[number - 1].day, fault) == ("2026-11-21", "none")
    for name in ("Mars/Base", "../etc/passwd", "Europe", ""):
        assert main(["attempts", "zone", name, "--db", str(register)]) == 2
        assert "no time zone is called" in capsys.readouterr().err


def test_a_register_of_before_has_utc(tmp_path: Path) -> None:
    register = tmp_path / "attempts.db"
    attempts.begin(register, "red", "0")
    with sqlite3.connect(register) as connection:
        connection.execute("DROP TABLE zone")
        connection.execute("PRAGMA user_version = 3")
    assert attempts.zone_of(register).key == "UTC"


def test_the_command_writes_all_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register = tmp_path / "attempts.db"
    for team, verdict in ((EVIL, Verdict(Fault.HOST)), ("red", Verdict(Fault.NONE, integral=0.25))):
        number = attempts.begin(register, team, "0", datetime(2026, 11, 21, 12, tzinfo=UTC))
        attempts.finish(register, number, verdict)
    attempts.choose(register, "red", [2])
    files = [f"--{form}={tmp_path / f'day.{form}'}" for form in ("json", "csv")]
    command = ["attempts", "day", "--db", str(register)]
    assert main([*command, "--day", DAY.isoformat(), *files, "--html", str(tmp_path / "html")]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    found = json.loads((tmp_path / "day.json").read_text("utf-8"))
    assert [(team["team"], team["host_fault"], team["counting"]) for team in found["teams"]] == [
        ("red", 0, 1),
        (EVIL, 1, 0),
    ]
    assert [(each["id"], each["counts"], each["waits_for_private"]) for each in found["attempts"]] == [
        (1, False, False),
        (2, True, True),
    ]
    rows = list(csv.DictReader((tmp_path / "day.csv").open(newline="", encoding="utf-8")))
    assert [row["verdict"] for row in rows] == ["host", "valid"]
    assert not rows[0]["team"].startswith("=")
    assert (tmp_path / "html" / "attempts.html").is_file()
    assert main([*command, "--team", "red", "--day", "2020-02-29"]) == 0
    printed = capsys.readouterr().out
    assert "no attempt was started on this day" in printed
    assert "chosen, and not scored on the private test yet" in printed
    assert "evil" not in printed
    for wrong in ("29.02.2020", "9999-12-31", "0001-01-01"):
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--day", wrong])
        assert stopped.value.code == 2
        assert "must be a day such as" in capsys.readouterr().err
    assert main(["attempts", "zone", "Pacific/Kiritimati", "--db", str(register)]) == 0
    for farthest in ("0001-01-02", "9999-12-30"):
        assert main([*command, "--day", farthest]) == 0
