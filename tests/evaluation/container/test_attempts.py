"""Three valid attempts a day, three chosen for the private test, the best counts."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.container import attempts
from evaluation.container.errors import AttemptsError
from evaluation.container.verdict import Fault, Verdict

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
VALID, CRASHED, HOST = Verdict(Fault.NONE, integral=0.25), Verdict(Fault.CRASH), Verdict(Fault.HOST)


@pytest.fixture
def register(tmp_path: Path) -> Path:
    return tmp_path / "attempts.db"


def submit(register: Path, team: str, verdict: Verdict | None, now: datetime = NOON) -> int:
    number = attempts.begin(register, team, "0" * 64, now)
    if verdict is not None:
        attempts.finish(register, number, verdict)
    return number


def test_three_valid_attempts_a_day(register: Path) -> None:
    for _ in range(3):
        submit(register, "red", VALID)
    with pytest.raises(
        AttemptsError, match=r"red has 3 valid or running attempts on 2026-11-21 \(UTC\); 3 are allowed"
    ):
        submit(register, "red", VALID)
    assert submit(register, "blue", VALID) == 4
    assert submit(register, "red", VALID, NOON + timedelta(hours=12)) == 5


def test_a_day_is_one_in_utc(register: Path) -> None:
    moscow = timezone(timedelta(hours=3))
    for hour in (1, 2, 4):  # 22 and 23 o'clock of the day before, and 1 o'clock
        submit(register, "red", VALID, datetime(2026, 11, 22, hour, tzinfo=moscow))
    assert [attempt.day for attempt in attempts.read(register)] == ["2026-11-21", "2026-11-21", "2026-11-22"]


def test_an_attempt_that_is_not_valid_takes_no_place(register: Path) -> None:
    for verdict in (CRASHED, HOST, CRASHED, VALID, VALID, VALID):
        submit(register, "red", verdict)
    assert [attempt.fault for attempt in attempts.read(register)] == ["crash", "host", "crash", "none", "none", "none"]


def test_a_running_attempt_takes_a_place_until_it_is_dropped(register: Path) -> None:
    lost = [submit(register, "red", None) for _ in range(3)]
    with pytest.raises(AttemptsError):
        submit(register, "red", VALID)
    attempts.drop(register, lost[0])
    with pytest.raises(AttemptsError, match="is not running"):
        attempts.drop(register, lost[0])
    submit(register, "red", VALID)


def test_a_lease_that_lapsed_frees_its_place(register: Path) -> None:
    lost = [submit(register, "red", None) for _ in range(3)]
    soon, later = NOON + timedelta(minutes=9), NOON + timedelta(minutes=11)
    assert attempts.free_lapsed(register, soon) == ()
    attempts.renew(register, lost[0], soon)
    assert [attempt.id for attempt in attempts.free_lapsed(register, later)] == lost[1:]
    assert attempts.free_lapsed(register, later) == ()
    assert [attempt.fault for attempt in attempts.read(register)] == ["running", "lapsed", "lapsed"]
    submit(register, "red", VALID, later)


def test_a_list_tells_what_lapsed(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = submit(register, "red\x1b[2J", None, datetime(2026, 1, 1, tzinfo=UTC))
    assert main(["attempts", "list", "--db", str(register)]) == 0
    told = capsys.readouterr()
    assert rf"attempt {number} of red\x1b[2J ended without a verdict; its place is free again" in told.err
    assert "lapsed" in told.out


def test_a_new_attempt_frees_what_lapsed(register: Path) -> None:
    for _ in range(3):
        submit(register, "red", None)
    submit(register, "red", VALID, NOON + timedelta(minutes=11))


def test_a_verdict_after_its_lease(register: Path) -> None:
    late = [submit(register, "red", None) for _ in range(3)]
    later = NOON + timedelta(minutes=11)
    submit(register, "red", VALID, later)
    submit(register, "red", VALID, later)
    attempts.finish(register, late[0], VALID)
    with pytest.raises(AttemptsError, match="lost its place when its lease lapsed"):
        attempts.finish(register, late[1], VALID)
    attempts.finish(register, late[2], CRASHED)
    assert [attempt.fault for attempt in attempts.read(register)] == ["none", "lapsed", "crash", "none", "none"]


def test_a_lease_is_renewed_while_it_is_held(register: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = submit(register, "red", None)
    renewed = threading.Event()
    monkeypatch.setattr(attempts, "LEASE", timedelta(milliseconds=50))
    monkeypatch.setattr(attempts, "renew", lambda path, which: (path, which) == (register, number) and renewed.set())
    with attempts.held(register, number):
        assert renewed.wait(60)


def test_a_register_of_the_first_version_is_read_on(register: Path) -> None:
    number = submit(register, "red", VALID)
    with sqlite3.connect(register) as connection:
        connection.execute("ALTER TABLE attempts DROP COLUMN lease")
        connection.execute("PRAGMA user_version = 1")
    assert [attempt.id for attempt in attempts.read(register)] == [number]
    assert submit(register, "red", VALID) == number + 1


def test_what_a_register_can_not_hold_is_told(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submit(register, "red", VALID)
    with pytest.raises(AttemptsError, match="not UTF-8"):
        submit(register, "\udcff", VALID)
    for number in (10**20 - 1, 7):
        with pytest.raises(AttemptsError, match="attempt"):
            attempts.drop(register, number)


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (["drop", "9" * 20], f"must be a whole number from 1, not '{'9' * 20}'"),
        (["private", "x", "0.5"], "must be a whole number from 1, not 'x'"),
        (["choose", "1.5", "--team", "red"], "must be a whole number from 1, not '1.5'"),
        (["private", "1", "nan"], "must be a number from 0 to 1, not 'nan'"),
        (["private", "1", "1.5"], "must be a number from 0 to 1, not '1.5'"),
    ],
)
def test_numbers_of_attempts_are_refused_in_words(
    action: list[str], problem: str, register: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["attempts", *action, "--db", str(register)])
    assert stopped.value.code == 2
    assert problem in capsys.readouterr().err


def test_a_teams_name_is_text_in_a_terminal(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    team = "red\x1b[2J\n\u202e=1"
    for _ in range(3):
        number = submit(register, team, VALID)
    with pytest.raises(AttemptsError) as raised:
        submit(register, team, VALID)
    assert main(["attempts", "list", "--db", str(register)]) == 0
    assert main(["attempts", "choose", "--team", team, str(number), "--db", str(register)]) == 0
    printed = capsys.readouterr().out
    assert printed.count(r"red\x1b[2J\n\u202e=1") == 4
    assert r"red\x1b[2J\n\u202e=1 has 3 valid" in str(raised.value)
    for sign in ("\x1b", "\u202e"):
        assert sign not in printed + str(raised.value)


def test_a_verdict_is_entered_once(register: Path) -> None:
    number = submit(register, "red", VALID)
    with pytest.raises(AttemptsError, match="is not running"):
        attempts.finish(register, number, CRASHED)


def test_choosing_attempts(register: Path) -> None:
    red = [submit(register, "red", VALID, NOON + timedelta(days=day)) for day in range(4)]
    blue = submit(register, "blue", VALID)
    attempts.choose(register, "red", red[1:])
    attempts.choose(register, "blue", [blue])
    for number, score in zip((*red[1:], blue), (0.3, 0.5, 0.4, 0.45), strict=True):
        attempts.enter_private(register, number, score)
    best = attempts.standings(attempts.read(register))
    assert [(attempt.team, attempt.id, attempt.private) for attempt in best] == [
        ("red", red[2], 0.5),
        ("blue", 5, 0.45),
    ]


def test_a_choice_is_refused(register: Path) -> None:
    valid = [submit(register, "red", VALID, NOON + timedelta(days=day)) for day in range(4)]
    crashed, other = submit(register, "red", CRASHED), submit(register, "blue", VALID)
    for numbers, says in (
        (valid, "4 attempts were chosen; 3"),
        ([crashed], "no valid"),
        ([other], "no valid attempts of red"),
    ):
        with pytest.raises(AttemptsError, match=says):
            attempts.choose(register, "red", numbers)
    with pytest.raises(AttemptsError, match="was not chosen"):
        attempts.enter_private(register, valid[0], 0.5)
    attempts.choose(register, "red", valid[:1])
    attempts.choose(register, "red", valid[1:2])
    assert [attempt.id for attempt in attempts.read(register) if attempt.chosen] == valid[1:2]
    attempts.enter_private(register, valid[1], 0.5)
    with pytest.raises(AttemptsError, match="has been scored"):
        attempts.choose(register, "red", valid[:1])
    with pytest.raises(AttemptsError, match="no score"):
        attempts.enter_private(register, valid[1], 1.5)


def test_what_is_no_register_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(AttemptsError, match="does not exist"):
        attempts.read(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("text" * 500)
    with pytest.raises(AttemptsError):
        attempts.read(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE runs (id INTEGER)")
    with pytest.raises(AttemptsError, match="another program"):
        attempts.begin(tmp_path / "other.db", "red", "0" * 64)


def test_the_commands(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = submit(register, "red", VALID)
    db = ["--db", str(register)]
    assert main(["attempts", "choose", "--team", "red", str(number), *db]) == 0
    assert main(["attempts", "private", str(number), "0.5", *db]) == 0
    assert main(["attempts", "list", *db]) == 0
    printed = capsys.readouterr().out
    assert "valid" in printed
    assert "0.2500" in printed
    assert "private test" in printed
    assert main(["attempts", "drop", str(number), *db]) == 2
    assert "is not running" in capsys.readouterr().err
