"""A job is in one place at any time: whoever claims it has it alone, and nothing is lost or handed in twice."""

import errno
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from contest.errors import Code, ContestError
from evaluation.container.verdict import Fault
from evaluation.queue.errors import QueueError
from evaluation.queue.spool import DONE, MOST_CLAIMS, RUNNING, WAITING, Spool
from tests.evaluation.queue.spools import handed_in, queued, spool_with, verdict_of


def states(spool):
    return [place.state for place in spool.places()]


def test_jobs_come_in_the_order_they_were_added(tmp_path):
    spool = spool_with(tmp_path, ["red", "blue", "green"])
    assert [spool.read(place).team for place in spool.places()] == ["red", "blue", "green"]
    assert [place.id[:7] for place in spool.places()] == ["000001-", "000002-", "000003-"]


def test_one_of_many_workers_gets_a_job(tmp_path):
    spool = spool_with(tmp_path, [str(number) for number in range(20)])

    def grab(worker):
        order = spool.places(WAITING)
        random.Random(worker).shuffle(order)
        return [mine for place in order if (mine := spool.claim(place, f"w{worker}")) is not None]

    with ThreadPoolExecutor(8) as pool:
        claims = [claim for part in pool.map(grab, range(8)) for claim in part]
    assert len(claims) == 20
    assert len({claim.id for claim in claims}) == 20
    assert sorted(claims, key=lambda claim: claim.id) == spool.places(RUNNING)


def test_job_given_back_counts_as_never_claimed(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    (place,) = spool.places()
    for _ in range(2 * MOST_CLAIMS):
        mine = spool.claim(place, "w")
        assert mine.claims == 1
        assert spool.give_back(mine)
        assert spool.places() == [place]
    assert not spool.give_back(mine)


def test_job_that_loses_its_workers_is_done_by_the_hosts_fault(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    for number in range(1, MOST_CLAIMS):
        assert spool.release(spool.claim(spool.places()[0], f"w{number}"), "killed")
        assert states(spool) == [WAITING]
        assert spool.places()[0].claims == number
    last = spool.claim(spool.places()[0], "w9")
    assert spool.release(last, "killed by its memory")
    (done,) = spool.places(DONE)
    assert verdict_of(spool, done)["fault"] == "host"
    assert verdict_of(spool, done)["problems"] == [
        "3 workers had it, and none came to its end; the last: killed by its memory"
    ]
    assert not spool.hand_in(last)  # its last worker was only slow
    assert spool.places() == [done]
    assert not spool.release(last, "again")


def test_verdict_of_a_job_taken_over_is_dropped(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    slow = spool.claim(spool.places()[0], "slow")
    folder = tmp_path / "slow result"
    folder.mkdir()
    (folder / "verdict.json").write_text("{}")
    spool.release(slow, "no sign of life")
    quick = spool.claim(spool.places()[0], "quick")
    spool.store(slow, folder)
    assert not spool.hand_in(slow)
    assert handed_in(spool, quick)
    assert not spool.hand_in(slow)
    (done,) = spool.places(DONE)
    assert (done.token, done.claims) == ("quick", 2)
    assert [path.name for path in (spool.folder / "results").iterdir()] == [done.name]


def test_a_rename_that_the_server_did_twice_is_ours(tmp_path, monkeypatch):
    """Its answer was lost, the request came again, and was refused for lack of a source."""
    spool = spool_with(tmp_path, ["red"])
    real = os.rename

    def twice(source, target):
        real(source, target)
        raise FileNotFoundError(errno.ENOENT, "gone", str(source))

    with monkeypatch.context() as patch:
        patch.setattr("evaluation.queue.spool.os.rename", twice)
        mine = spool.claim(spool.places()[0], "w")
        assert mine is not None
        assert handed_in(spool, mine)
    assert states(spool) == [DONE]


def test_three_a_day_for_a_team(tmp_path):
    spool = spool_with(tmp_path, ["red", "red", "red", "blue"])
    with pytest.raises(QueueError, match="red has 3 valid or open submissions of 2026-11-29"):
        spool.add(tmp_path / "one.zip", queued())
    spool.add(tmp_path / "one.zip", queued(day="2026-11-30"))
    done = spool.claim(spool.places()[0], "w")
    handed_in(spool, done, Fault.CRASH)
    (done,) = spool.places(DONE)
    spool.collect(done, "crash")
    spool.add(tmp_path / "one.zip", queued())


def test_full_disk_adds_nothing(tmp_path, monkeypatch):
    spool = spool_with(tmp_path, ["red"])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evaluation.queue.spool.shutil.copyfile", full)
    with pytest.raises(ContestError) as refused:
        spool.add(tmp_path / "one.zip", queued(archive="b" * 64))
    assert refused.value.code is Code.DISK_FULL
    assert len(spool.places()) == 1
    assert len(list((spool.folder / "archives").iterdir())) == 1


def test_full_disk_hands_nothing_in(tmp_path, monkeypatch):
    spool = spool_with(tmp_path, ["red"])
    mine = spool.claim(spool.places()[0], "w")

    def full(_source, target, **_):
        target.mkdir()
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device")])

    monkeypatch.setattr("evaluation.queue.spool.shutil.copytree", full)
    with pytest.raises(ContestError, match="No space left on device"):
        spool.store(mine, tmp_path)
    assert states(spool) == [RUNNING]
    assert list((spool.folder / "results").iterdir()) == []


def test_damaged_job_is_named(tmp_path):
    spool = spool_with(tmp_path, ["red"])
    path = spool.path(spool.places()[0])
    path.write_text("{")
    with pytest.raises(QueueError, match="is damaged"):
        spool.read(spool.places()[0])
    (spool.folder / "waiting" / "notes.txt").write_text("of somebody")
    assert len(spool.places()) == 1


def test_folder_that_is_no_queue_is_refused(tmp_path):
    with pytest.raises(QueueError, match="is no queue"):
        Spool(tmp_path)
