"""One collector enters each verdict once, whenever it is killed, and counts what the contest counts."""

import shutil
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from evaluation.__main__ import main as evaluation
from evaluation.container import attempts
from evaluation.container.verdict import Fault
from evaluation.queue.collector import alone, collect
from evaluation.queue.errors import QueueError
from evaluation.queue.rules import require_same_rules
from evaluation.queue.spool import COLLECTED, DONE, MOST_CLAIMS, WAITING, Spool
from tests.evaluation.queue.spools import handed_in, spool_with


def run_all(spool, faults):
    for place, fault in zip(spool.places("waiting"), faults, strict=True):
        assert handed_in(spool, spool.claim(place, "w"), fault)


def entered(register):
    return [(attempt.team, attempt.day, attempt.fault, attempt.score) for attempt in attempts.read(register)]


def test_verdicts_are_entered_in_the_order_of_adding(tmp_path):
    spool, register = spool_with(tmp_path, ["red", "blue", "red"]), tmp_path / "attempts.db"
    run_all(spool, [Fault.NONE, Fault.TIME, Fault.NONE])
    collected, problems = collect(spool, register)
    assert ([one.attempt for one in collected], problems) == ([1, 2, 3], [])
    assert entered(register) == [
        ("red", "2026-11-29", "none", 0.25),
        ("blue", "2026-11-29", "time", 0.25),
        ("red", "2026-11-29", "none", 0.25),
    ]
    assert [place.fault for place in spool.places(COLLECTED)] == ["none", "time", "none"]
    assert collect(spool, register) == ([], [])


def test_collector_killed_between_register_and_spool_enters_nothing_twice(tmp_path, monkeypatch):
    spool, register = spool_with(tmp_path, ["red", "blue"]), tmp_path / "attempts.db"
    run_all(spool, [Fault.NONE, Fault.NONE])

    def killed(*_):
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "collect", killed)
            with pytest.raises(KeyboardInterrupt):
                collect(spool, register)
    assert len(spool.places(DONE)) == 2
    collect(spool, register)
    assert [row[0] for row in entered(register)] == ["red", "blue"]
    assert len(spool.places(COLLECTED)) == 2


def test_fault_of_hosts_eats_no_attempt(tmp_path):
    spool, register = spool_with(tmp_path, ["red"]), tmp_path / "attempts.db"
    for number in range(MOST_CLAIMS):
        spool.release(spool.claim(spool.places()[0], f"w{number}"), "killed")
    collect(spool, register)
    assert entered(register) == [("red", "2026-11-29", "host", None)]
    for number in range(3):
        attempts.enter(register, f"j{number}", "red", "a", "none", 0.5, datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert [row[2] for row in entered(register)] == ["host", "none", "none", "none"]


def test_more_valid_attempts_than_a_day_has_do_not_count(tmp_path):
    register, moment = tmp_path / "attempts.db", datetime(2026, 11, 29, 12, tzinfo=UTC)
    faults = [attempts.enter(register, str(number), "red", "a", "none", 0.5, moment)[1] for number in range(4)]
    assert faults == ["none", "none", "none", "surplus"]
    assert attempts.enter(register, "3", "red", "a", "none", 0.5, moment) == (4, "surplus")
    with pytest.raises(attempts.AttemptsError):
        attempts.choose(register, "red", [4])


def test_verdicts_that_can_not_be_read_are_named_and_stay(tmp_path):
    spool, register = spool_with(tmp_path, ["red", "blue", "green"]), tmp_path / "attempts.db"
    run_all(spool, [Fault.NONE] * 3)
    first, second, _ = spool.places(DONE)
    shutil.rmtree(spool.results(first))
    spool.verdict_path(second).write_text('{"fault": "magic"}')
    collected, problems = collect(spool, register)
    assert [one.job.team for one in collected] == ["green"]
    assert len(problems) == 2
    assert str(spool.verdict_path(first)) in problems[0]
    assert "no fault is called 'magic'" in problems[1]
    assert spool.places(DONE) == [first, second]


def test_one_process_alone_collects(tmp_path):
    spool = spool_with(tmp_path, [])
    with alone(spool), pytest.raises(QueueError, match="another process collects"), alone(spool):
        pass
    with alone(spool):
        pass


def test_collector_that_came_before_all_workers_keeps_to_their_lease(tmp_path, monkeypatch):
    """Else it would leave a dead worker its job for the lease that nobody was given."""
    spool, pauses = spool_with(tmp_path, ["red"]), []
    spool.claim(spool.places()[0], "dead")
    until = time.monotonic() + 600

    def pause(seconds):
        if not pauses:
            require_same_rules(spool, {"lease": 0.5})
        else:
            time.sleep(seconds)
        pauses.append(seconds)
        for place in spool.places(WAITING):
            handed_in(spool, spool.claim(place, "w"))
        assert time.monotonic() < until, "the job does not wait again"

    monkeypatch.setattr("evaluation.commands.queue.time", SimpleNamespace(sleep=pause))
    command = ["queue", "collect", "--follow", "--spool", str(spool.folder), "--db", str(tmp_path / "attempts.db")]
    assert evaluation(command) == 0
    assert entered(tmp_path / "attempts.db") == [("red", "2026-11-29", "none", 0.25)]
    assert pauses[:2] == [2.0, 0.1]
    assert not (spool.folder / "collector.json").exists()
