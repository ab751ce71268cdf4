"""A worker hands in what comes of submissions; what its host fails waits for another one, and eats no attempt."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from contest.console import quiet
from contest.stop_signals import Stopped
from evaluation.container.errors import HostBusyError, HostError
from evaluation.container.verdict import Fault
from evaluation.queue.errors import QueueError
from evaluation.queue.presence import Presence, note_look
from evaluation.queue.rules import asset_hashes, require_same_rules
from evaluation.queue.spool import DONE, RUNNING, WAITING, Spool
from evaluation.queue.status import status_of
from evaluation.queue.worker import scratch_folder
from tests.evaluation.queue.spools import queued, runs, spool_with, verdict_of, worker

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 600


def test_everything_is_run_and_handed_in(tmp_path):
    spool = spool_with(tmp_path, ["red", "blue", "green"])
    assert worker(spool, tmp_path, runs(Fault.TIME)).work() == 3
    assert [verdict_of(spool, place)["fault"] for place in spool.places(DONE)] == ["time"] * 3
    assert spool.places(WAITING, RUNNING) == []
    assert list((spool.folder / "beats").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("fbc2-")] == []


@pytest.mark.parametrize("how", ["verdict", "error"])
def test_what_the_host_fails_waits_for_another_host(tmp_path, how):
    spool = spool_with(tmp_path, ["red", "blue"])

    def broken(*_):
        raise HostError("docker does not answer", "start it")

    run = runs(Fault.HOST, ["docker does not answer"]) if how == "verdict" else broken
    with pytest.raises(QueueError, match="this host failed 2 runs one after the other: docker does not answer"):
        worker(spool, tmp_path, run).work()
    assert [(place.state, place.claims) for place in spool.places()] == [(WAITING, 1), (WAITING, 1)]
    assert worker(spool, tmp_path, name="other").work() == 2
    assert [verdict_of(spool, place)["fault"] for place in spool.places(DONE)] == ["none", "none"]


def test_one_failure_is_no_reason_to_end(tmp_path):
    spool, fails = spool_with(tmp_path, ["red", "blue"]), [True]

    def run(*arguments):
        return runs(Fault.HOST, ["hiccup"])(*arguments) if fails and fails.pop() else runs()(*arguments)

    order = []
    one = worker(spool, tmp_path, lambda job, *rest: (order.append(job.team), run(job, *rest))[1])
    assert one.work() == 2
    assert order == ["red", "blue", "red"]  # what this host failed comes last


def test_images_must_be_there_beforehand(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    spool.add(tmp_path / "one.zip", queued("blue", image="team/other:2"))
    one = worker(spool, tmp_path, has_image=lambda image: image == "team/other:2")
    with one.presence, pytest.raises(QueueError, match="images that this host has not: team/image:1; pull them first"):
        one.work()
    assert [spool.read(place).team for place in spool.places(DONE)] == ["blue"]
    assert [place.claims for place in spool.places(WAITING)] == [0]


def test_status_says_that_nobody_has_an_image(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    with Presence(spool, "one", 60) as presence:
        presence.lacks = {"team/image:1"}
        presence.says("looks again")
        (job,) = status_of(spool, 60).jobs
    assert job.worker == "no worker has team/image:1"


def test_busy_host_claims_nothing(tmp_path):
    spool, tries = spool_with(tmp_path, ["red"]), []
    one = worker(spool, tmp_path)

    @contextmanager
    def places():
        assert [place.state for place in spool.places()] == [WAITING]
        tries.append(1)
        if len(tries) < 3:
            raise HostBusyError("GPU 0 is taken")
        yield ("0",)

    one.places = places
    assert one.work() == 1
    assert len(tries) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_that_is_asked_to_end_gives_its_job_back(tmp_path, number, capsys):
    spool = spool_with(tmp_path, ["red"])

    def run(*_):
        os.kill(os.getpid(), number)
        threading.Event().wait(60)

    with pytest.raises(Stopped):
        worker(spool, tmp_path, run).work()
    assert [(place.state, place.claims) for place in spool.places()] == [(WAITING, 0)]
    assert "waits again" in capsys.readouterr().err


def test_worker_that_was_taken_for_dead_stops_its_run_and_goes_on(tmp_path, capsys):
    spool, order = spool_with(tmp_path, ["red", "blue"]), []

    def run(job, *rest):
        order.append(job.team)
        if order == ["red"]:
            (claim,) = spool.places(RUNNING)
            spool.release(claim, "taken for dead")
            threading.Event().wait(60)
            raise AssertionError("it was not stopped")
        return runs()(job, *rest)

    assert worker(spool, tmp_path, run, seconds=0.5).work() == 2
    assert order[0] == "red"
    assert sorted(order[1:]) == ["blue", "red"]
    assert "was taken over by another worker" in capsys.readouterr().err
    assert len(spool.places(DONE)) == 2


def test_only_a_verdict_that_is_dropped_is_told_in_quiet(tmp_path, capsys):
    """The job is taken over behind the run, where nothing stops it any more."""
    spool, runs_so_far = spool_with(tmp_path, ["red"]), []

    def run(*arguments):
        runs_so_far.append(arguments)
        if len(runs_so_far) == 1:
            spool.release(spool.places(RUNNING)[0], "taken for dead")
        return runs()(*arguments)

    with quiet():
        assert worker(spool, tmp_path, run).work() == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.endswith("valid; another worker has taken it over, and this verdict is dropped")


def test_handing_in_takes_longer_than_a_sign_of_life(tmp_path, monkeypatch, capsys):
    """That the claim is gone then is the worker's own doing."""
    spool = spool_with(tmp_path, ["red"])
    move = Spool._move

    def slow(self, source, target):
        moved = move(self, source, target)
        threading.Event().wait(0.3)
        return moved

    monkeypatch.setattr(Spool, "_move", slow)
    assert worker(spool, tmp_path, seconds=0.5).work() == 1
    assert "taken over" not in capsys.readouterr().err


# A worker in a container, or on a host that loses its power: its process is unknown here, now or later.
HOLDS_SCRATCH = """
import sys
from pathlib import Path
from evaluation.queue.worker import scratch_folder
with scratch_folder(Path(sys.argv[1])) as scratch:
    print(scratch.name, flush=True)
    sys.stdin.read()
"""


def test_folders_of_workers_that_are_gone_are_removed(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDS_SCRATCH, tmp_path],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        dead, alive = (worker.stdout.readline().strip() for worker in workers)
        (tmp_path / dead / "result").mkdir()
        workers[0].kill()
        workers[0].wait()
        with scratch_folder(tmp_path) as scratch:
            assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive, scratch.name])
        assert [path.name for path in tmp_path.iterdir()] == [alive]
        assert workers[1].communicate("", timeout=PATIENCE_SECONDS) == ("", None)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert list(tmp_path.iterdir()) == []


def test_folder_whose_owner_ends_meanwhile_is_left_to_it(tmp_path, monkeypatch):
    """A new file in it would have its owner, which removes it just now, find it full in the end."""
    folder = tmp_path / "fbc2-queue-ends"
    folder.mkdir()
    owner = folder / "owner"
    owner.touch()
    real = os.open

    def late(path, *rest, **more):
        if path == owner:
            owner.unlink()
        return real(path, *rest, **more)

    monkeypatch.setattr("evaluation.queue.worker.os.open", late)
    with scratch_folder(tmp_path):
        assert list(folder.iterdir()) == []


def test_fault_of_the_program_gives_the_job_back(tmp_path):
    spool = spool_with(tmp_path, ["red"])

    def run(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        worker(spool, tmp_path, run).work()
    assert [(place.state, place.claims) for place in spool.places()] == [(WAITING, 0)]


def test_two_workers_of_one_name_are_told_apart(tmp_path, capsys):
    spool = spool_with(tmp_path, [])
    with Presence(spool, "gpu1", 60) as one, Presence(spool, "gpu1", 60) as two:
        assert (one.name, two.name) == ("gpu1", "gpu1-2")
        assert "a worker called gpu1 is there already; this one is called gpu1-2" in capsys.readouterr().err
        assert [each["name"] for each in status_of(spool, 60).workers] == ["gpu1", "gpu1-2"]
    assert status_of(spool, 60).workers == []


def test_name_of_a_worker_that_was_killed_is_free_again(tmp_path):
    spool = spool_with(tmp_path, [])
    path = spool.folder / "workers" / "gpu1.json"
    path.write_text('{"name": "gpu1"}')
    os.utime(path, (path.stat().st_mtime - 100,) * 2)
    with Presence(spool, "gpu1", 60) as one:
        assert one.name == "gpu1"


def of_the_dead(spool, name="gpu1"):
    """The file of a worker that was killed long ago."""
    path = spool.folder / "workers" / f"{name}.json"
    path.write_text(json.dumps({"name": name, "token": "dead"}))
    os.utime(path, (path.stat().st_mtime - 1000,) * 2)
    return path


def test_one_worker_alone_takes_the_name_of_a_dead_one(tmp_path):
    for _ in range(20):
        spool = spool_with(tmp_path, [])
        of_the_dead(spool)
        together = threading.Barrier(8)

        def take(_number, spool=spool, together=together):
            together.wait(PATIENCE_SECONDS)
            return Presence(spool, "gpu1", 60)

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(take, range(8)))
        tokens = {path.stem: json.loads(path.read_text())["token"] for path in (spool.folder / "workers").iterdir()}
        assert tokens == {one.name: one.token for one in taken}
        assert len(tokens) == 8
        shutil.rmtree(spool.folder)


@pytest.mark.parametrize(("step", "names"), [("open", ["gpu1-2", "gpu1"]), ("replace", ["gpu1", "gpu1-2"])])
def test_two_find_a_dead_workers_name_at_once(tmp_path, monkeypatch, step, names):
    """The other one comes when the first has seen that it is dead, or when it is just about to take the name."""
    spool, workers, real = spool_with(tmp_path, []), [], getattr(os, step)
    of_the_dead(spool)

    def late(path, *rest):
        if not workers and (step == "replace" or str(path).endswith(".heir")):
            workers.append(None)
            workers[0] = Presence(spool, "gpu1", 60)
        return real(path, *rest)

    monkeypatch.setattr(f"evaluation.queue.presence.os.{step}", late)
    workers.insert(0, Presence(spool, "gpu1", 60))
    assert [one.name for one in workers] == names
    assert [json.loads(one.path.read_text())["token"] for one in workers] == [one.token for one in workers]
    assert sorted(path.name for path in (spool.folder / "workers").iterdir()) == ["gpu1-2.json", "gpu1.json"]


def test_worker_that_was_taken_for_dead_finds_another_name(tmp_path, capsys):
    spool = spool_with(tmp_path, [])
    slow = Presence(spool, "gpu1", 60)
    os.utime(slow.path, (slow.path.stat().st_mtime - 1000,) * 2)
    heir = Presence(spool, "gpu1", 60)
    assert (heir.name, slow.name) == ("gpu1", "gpu1")
    slow.says("runs something")
    assert slow.name == "gpu1-2"
    assert json.loads(heir.path.read_text())["token"] == heir.token
    assert "this one is called gpu1-2" in capsys.readouterr().err


def test_status_tells_who_collects(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    assert "no collector follows" in status_of(spool, 60).to_text()
    for looks in (9, 10):
        note_look(spool, looks)
        assert status_of(spool, 60).collector["looks"] == looks
    path = spool.folder / "collector.json"
    path.write_text(path.read_text() + '-of-a-longer-name"}')  # of one that was killed
    note_look(spool, 1)
    assert status_of(spool, 60).collector["looks"] == 1
    os.utime(path, (path.stat().st_mtime - 500,) * 2)
    assert re.search(r"the collector on \S+ looked 500 s ago", status_of(spool, 60).to_text())


def test_status_tells_what_is_stuck(tmp_path):
    spool = spool_with(tmp_path, ["red", "blue"])
    claims = [spool.claim(place, "w") for place in spool.places()]
    for claim, silent in zip(claims, (10, 100), strict=True):
        beat = spool.beat(claim)
        beat.write_text("7 35")
        os.utime(beat, (beat.stat().st_mtime - silent,) * 2)
    status = status_of(spool, 60)
    assert [(job.team, job.state) for job in status.jobs] == [("red", "running"), ("blue", "stuck")]
    assert status.jobs[0].seconds == pytest.approx(45, abs=5)
    assert status.counts == {"running": 1, "stuck": 1}
    assert "1 running, 1 stuck; 0 workers" in status.to_text()


@pytest.mark.parametrize(("name", "value"), [("input", "c"), ("mode", "strict"), ("limits", {"seconds": 1})])
def test_worker_of_other_rules_is_refused(tmp_path, name, value):
    spool = spool_with(tmp_path, [])
    rules = {"input": "a", "mode": "official", "limits": {"seconds": 2}}
    require_same_rules(spool, rules)
    require_same_rules(spool, rules)
    with pytest.raises(QueueError, match=f"differs from the queue's first in {name};"):
        require_same_rules(spool, {**rules, name: value})


def test_worker_with_other_networks_is_refused(tmp_path):
    spool = spool_with(tmp_path, [])
    for host, weights in (("one", b"published"), ("two", b"published"), ("three", b"trained further")):
        for part in ("ruclip", "inception"):
            (tmp_path / host / part).mkdir(parents=True)
            (tmp_path / host / part / "model.bin").write_bytes(weights if part == "inception" else b"clip")
    one, two, three = (asset_hashes(tmp_path / host, "inception") for host in ("one", "two", "three"))
    assert sorted(one) == ["inception/model.bin", "ruclip/model.bin"]
    require_same_rules(spool, {"assets": one})
    require_same_rules(spool, {"assets": two})
    with pytest.raises(QueueError, match="differs from the queue's first in assets;"):
        require_same_rules(spool, {"assets": three})
    substitutes = [asset_hashes(tmp_path / host, "ruclip") for host in ("one", "three")]
    assert substitutes == [{"ruclip/model.bin": one["ruclip/model.bin"]}] * 2, "Inception is not used then"
    assert asset_hashes(None, "inception") == {}


def test_worker_of_other_code_is_refused(tmp_path, monkeypatch):
    spool = spool_with(tmp_path, [])
    require_same_rules(spool, {})
    monkeypatch.setattr("evaluation.queue.rules.code_version", lambda _room: {"fbc2": "0.9"})
    with pytest.raises(QueueError, match="differs from the queue's first in code"):
        require_same_rules(spool, {})
