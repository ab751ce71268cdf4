"""Who is dead is told by counts that stand still, by the observer's own clock, whatever other clocks say."""

import os
import threading
import time

from contest.writing import writing
from evaluation.queue.lease import Heartbeat, LeaseWatch, seconds_running
from evaluation.queue.spool import DONE, MOST_CLAIMS, RUNNING, WAITING
from tests.evaluation.queue.spools import spool_with

LEASE = 60.0


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def beat(spool, claim, count, hours_wrong=0):
    path = spool.beat(claim)
    path.write_text(f"{count} 0")
    moment = time.time() + 3600 * hours_wrong
    os.utime(path, (moment, moment))


def test_claim_whose_count_stands_still_for_a_lease_is_dead(tmp_path):
    spool, clock = spool_with(tmp_path, ["red", "blue"]), Clock()
    claims = [spool.claim(place, "w") for place in spool.places()]
    watch = LeaseWatch(spool, LEASE, clock)
    for count in range(10):
        beat(spool, claims[0], count)
        beat(spool, claims[1], min(count, 3))
        dead = watch.look()
        assert dead == (claims[1:] if count * 20 - 60 >= LEASE else []), count
        clock.now += 20
    assert watch.release_dead() == 1
    assert [place.state for place in spool.places()] == [RUNNING, WAITING]


def test_wrong_clocks_of_hosts_change_nothing(tmp_path):
    """A host's clock is an hour wrong, in either direction, and its file server takes it over."""
    spool, clock = spool_with(tmp_path, ["red", "blue"]), Clock()
    claims = [spool.claim(place, "w") for place in spool.places()]
    watch = LeaseWatch(spool, LEASE, clock)
    for count in range(30):
        beat(spool, claims[0], count, hours_wrong=-1)
        beat(spool, claims[1], count, hours_wrong=1)
        assert watch.look() == []
        clock.now += 50
    clock.now += 9
    assert watch.look() == []
    clock.now += 1
    assert watch.look() == claims


def test_new_observer_gives_everybody_a_whole_lease(tmp_path):
    spool, clock = spool_with(tmp_path, ["red"]), Clock()
    claim = spool.claim(spool.places()[0], "w")
    watch = LeaseWatch(spool, LEASE, clock)
    assert watch.look() == []  # that never gave a sign of life
    clock.now += LEASE - 1
    assert watch.look() == []
    clock.now += 1
    assert watch.look() == [claim]


def test_taken_job_is_another_claim(tmp_path):
    spool, clock = spool_with(tmp_path, ["red"]), Clock()
    watch = LeaseWatch(spool, LEASE, clock)
    spool.claim(spool.places()[0], "one")
    watch.look()
    clock.now += LEASE
    assert watch.release_dead() == 1
    spool.claim(spool.places()[0], "two")
    assert watch.look() == []
    clock.now += LEASE - 1
    assert watch.look() == []


def test_signs_of_life_are_counted_and_end_with_the_claim(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    claim = spool.claim(spool.places()[0], "w")
    lost = threading.Event()
    with Heartbeat(spool, claim, 0.1, lost.set) as heart:
        seen = set()
        while len(seen) < 4:
            seen.add(spool.beat(claim).read_bytes().split()[0])
        assert seconds_running(spool.beat(claim).read_bytes()) >= 0
        assert not lost.is_set()
        spool.release(claim, "taken over")
        assert lost.wait(60)
        assert heart.lost.is_set()
    assert not spool.beat(claim).exists()


def test_full_disk_is_said_once_and_loses_nothing(tmp_path, monkeypatch, capsys):
    spool = spool_with(tmp_path, ["red"])
    claim = spool.claim(spool.places()[0], "w")
    tries = threading.Semaphore(0)
    with Heartbeat(spool, claim, 0.1, lambda: None) as heart:

        def full(_count):
            tries.release()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(heart, "_beat", full)
        for _ in range(3):
            assert tries.acquire(timeout=60)
    assert not heart.lost.is_set()
    assert capsys.readouterr().err.count("No space left on device") == 1
    assert spool.places() == [claim]


def test_dead_claim_on_a_full_disk_is_released_when_there_is_room(tmp_path, monkeypatch, capsys):
    """The verdict of the last claim has to be written, and nobody ends for want of room."""
    spool, clock = spool_with(tmp_path, ["red"]), Clock()
    for _ in range(MOST_CLAIMS - 1):
        spool.release(spool.claim(spool.places()[0], "w"), "killed")
    claim, watch = spool.claim(spool.places()[0], "w"), LeaseWatch(spool, LEASE, clock)
    watch.look()
    clock.now += LEASE

    def full(folder, _verdict):
        with writing(folder):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("evaluation.queue.spool.write_verdict", full)
        assert [watch.release_dead() for _ in range(3)] == [0, 0, 0]
    assert spool.places() == [claim]
    assert capsys.readouterr().err.count("it can not be released yet") == 1
    assert watch.release_dead() == 1
    assert [place.state for place in spool.places()] == [DONE]
