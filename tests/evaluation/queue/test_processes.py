"""Real workers and a real collector, some of them killed: each submission gets its one verdict."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation.__main__ import main as evaluation
from evaluation.container import attempts
from evaluation.queue.spool import COLLECTED, DONE, RUNNING, WAITING, Spool
from tests.evaluation.container.fakes import ANSWER, LIMITS, archive, write_test

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 240.0
LEASE = 3.0
GOOD, SLOW = ANSWER + "write()", ANSWER + "time.sleep(1.5); write()"
CRASH = "raise SystemExit(3)"
# The worker is the parent of the keeper, which is the parent of this.
KILLS_WORKER = """
import os, signal
keeper = os.getppid()
worker = int(open(f"/proc/{keeper}/stat").read().rpartition(")")[2].split()[1])
os.kill(worker, signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path):
    write_test(tmp_path / "test")
    (tmp_path / "limits.json").write_text(json.dumps({**LIMITS, "seconds": 60}))
    (tmp_path / "scratch").mkdir()
    return tmp_path


def queue(*arguments):
    return [sys.executable, "-m", "evaluation", "queue", *map(str, arguments)]


def add(place, team, **programs):
    for name, program in programs.items():
        path = archive(place / f"{team}_{name}.zip", {"run.py": program}, image="team/image:1")
        command = queue("add", "--spool", place / "spool", "--team", team, path)
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def start(place, action, engine="process", **environment):
    options = ["--spool", place / "spool"]
    if action == "work":
        options += ["--lease", LEASE, "--input", place / "test", "--engine", engine, "--limits", place / "limits.json"]
        options += ["--runs-per-host", 8, "--scratch", place / "scratch"]
    else:
        options += ["--db", place / "attempts.db", "--follow"]
    with (place / f"{action}.log").open("ab") as log:
        return subprocess.Popen(
            queue(action, *options), cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **environment}
        )


def faults(place):
    return sorted((attempt.team, attempt.fault) for attempt in attempts.read(place / "attempts.db"))


def end(processes):
    for process in processes:
        process.kill()
        process.wait()


def test_queue_is_worked_and_collected(place):
    add(place, "red", good=GOOD, crash=CRASH)
    worker = start(place, "work")
    assert worker.wait(PATIENCE_SECONDS) == 0, (place / "work.log").read_text()
    collector = start(place, "collect")
    assert collector.wait(PATIENCE_SECONDS) == 0, (place / "collect.log").read_text()
    assert faults(place) == [("red", "crash"), ("red", "none")]
    assert list((place / "scratch").iterdir()) == []


def test_day_is_that_of_the_file_server(place, monkeypatch):
    """The clock of the host that adds is wrong, and midnight lies between."""
    path = archive(place / "one.zip", {"run.py": GOOD}, image="team/image:1")
    server = datetime(2026, 11, 28, 23, 50, tzinfo=UTC).timestamp()
    monkeypatch.setattr("evaluation.queue.presence.server_now", lambda _spool: server)
    assert evaluation(["queue", "add", "--spool", str(place / "spool"), "--team", "red", str(path)]) == 0
    spool = Spool(place / "spool")
    (job,) = [spool.read(one) for one in spool.places()]
    assert (job.day, job.added) == ("2026-11-28", "2026-11-28T23:50:00+00:00")


# Stands in for docker: notes what it is asked to run, and runs nothing until two are asked for at once.
DOCKER = """#!/bin/sh
case "$1" in
    version) echo '{}' ;;
    image) case "$3" in team/image:1) echo '[{"Size": 1, "Id": "sha256:1"}]' ;; *) exit 1 ;; esac ;;
    container) echo '[{"State": {"ExitCode": 0, "StartedAt": "2026-11-29T00:00:00Z"}}]' ;;
    volume) [ "$2" = create ] && exit 1 ;;
    run)
        for word in "$@"; do echo "$word"; done > "$PLACE/asked.$$"
        for _ in $(seq 600); do [ "$(ls "$PLACE" | grep -c asked)" -ge 2 ] && break; sleep 0.1; done ;;
esac
exit 0
"""


def test_runs_at_once_get_gpus_of_their_own_and_missing_images_are_named(place):
    (place / "bin").mkdir()
    (place / "bin" / "docker").write_text(DOCKER)
    (place / "bin" / "docker").chmod(0o755)
    (place / "limits.json").write_text(json.dumps({**LIMITS, "seconds": 90, "gpus": 1}))
    add(place, "red", one=GOOD, two=GOOD)
    path = archive(place / "other.zip", {"run.py": GOOD}, image="team/other:7")
    command = queue("add", "--spool", place / "spool", "--team", "blue", path)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PLACE": str(place), "SLURM_JOB_GPUS": "93,95"}
    workers = [start(place, "work", "docker", **environment) for _ in range(2)]
    try:
        statuses = [worker.wait(PATIENCE_SECONDS) for worker in workers]
    finally:
        end(workers)
    said = (place / "work.log").read_text()
    assert statuses == [2, 2], said
    assert said.count("images that this host has not: team/other:7; pull them first") == 2
    asked = [path.read_text().splitlines() for path in place.glob("asked.*")]
    assert sorted(word for words in asked for word in words if word.startswith("--gpus")) == [
        '--gpus="device=93"',
        '--gpus="device=95"',
    ]
    assert len(Spool(place / "spool").places(DONE)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_workers_killed_at_random_lose_nothing(place, seed):
    chance = random.Random(seed)
    for team in ("red", "blue", "green"):
        add(place, team, good=GOOD, slow=SLOW, crash=CRASH)
    spool, workers, kills = Spool(place / "spool"), [], [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL]
    collector = start(place, "collect")
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        while spool.places(WAITING, RUNNING, DONE):
            assert time.monotonic() < until, (place / "work.log").read_text()
            workers = [worker for worker in workers if worker.poll() is None]
            workers += [start(place, "work") for _ in range(2 - len(workers)) if spool.places(WAITING, RUNNING)]
            if collector.poll() is not None:
                collector = start(place, "collect")
            time.sleep(0.3)
            if kills and spool.places(RUNNING) and chance.random() < 0.2:
                os.kill(chance.choice(workers).pid, kills.pop())
            if chance.random() < 0.05:
                collector.kill()
    finally:
        end([*workers, collector])
    assert len(spool.places()) == len(spool.places(COLLECTED)) == 9
    expected = [(team, fault) for team in ("blue", "green", "red") for fault in ("crash", "none", "none")]
    assert faults(place) == expected
    results = [path.name for path in (place / "spool" / "results").iterdir() if not path.name.startswith(".")]
    assert len(results) == 9
    assert len({name.partition("~")[0] for name in results}) == 9


@pytest.mark.slow
def test_submission_that_kills_its_worker_eats_no_attempt(place):
    add(place, "red", killer=KILLS_WORKER)
    add(place, "blue", good=GOOD)
    spool = Spool(place / "spool")
    until = time.monotonic() + PATIENCE_SECONDS
    while spool.places(WAITING, RUNNING):
        assert time.monotonic() < until
        start(place, "work").wait(PATIENCE_SECONDS)
    assert start(place, "collect").wait(PATIENCE_SECONDS) == 0
    assert faults(place) == [("blue", "none"), ("red", "host")]
