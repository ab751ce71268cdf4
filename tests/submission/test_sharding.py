"""A run in several processes under torchrun: the same answers, and nothing lost when one of them is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import submission.peers as peers
from contest.items import Item, Sample
from submission.journal import Journal, JournalFollower
from submission.peers import PeerProcesses
from submission.report import RankResult
from submission.sharding import Shard, shard_of_process
from tests.submission.conftest import GOLDEN, ROOT, Finished, Start, look_the_same

E2E = GOLDEN / "e2e"


def torchrun(
    processes: int, weights: Path, output: Path, *options: str, source: Path = E2E, sabotage: str = ""
) -> Finished:
    """Run the submission under torchrun; `sabotage` is Python that runs beforehand in each process."""
    program = ["-m", "submission"]
    if sabotage:
        script = output.with_suffix(".py")
        script.write_text(f"{sabotage}\nimport submission.__main__ as m\nraise SystemExit(m.main())")
        program = [str(script)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    paths = ["--input", str(source), "--output", str(output), "--weights", str(weights)]
    run = subprocess.run(
        [*launcher, "--master_port", "0", *program, "run", *paths, "--device", "cpu", "--batch-size", "2", *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    return Finished(run.returncode, run.stderr, output)


def assert_same_run(one: Finished, other: Finished) -> None:
    assert one.predictions == other.predictions
    assert list(one.predictions) == list(other.predictions)
    assert one.pictures == other.pictures
    for name in one.pictures:
        assert look_the_same(one.output / "images" / name, other.output / "images" / name)


PROCESSES = [2, pytest.param(4, marks=pytest.mark.slow)]


@pytest.mark.parametrize("processes", PROCESSES)
def test_several_processes_answer_and_draw_as_one_does(
    submit: Start, weights: Path, tmp_path: Path, processes: int
) -> None:
    options = ("--profile", "baseline")
    run = torchrun(processes, weights, tmp_path / "several", *options)
    alone = submit(E2E, *options, "--batch-size", "2", output="alone")
    assert run.status == 0, run.stderr
    assert_same_run(run, alone)
    assert run.report["counts"] == alone.report["counts"]
    shares = run.report["processes"]
    assert [share["process"] for share in shares] == list(range(processes))
    assert sum(share["answers"] for share in shares) == len(alone.predictions)
    assert all(share["answers"] for share in shares)
    assert not (run.output / ".processes").exists()

    # One process goes on where several stopped: there is nothing left to do.
    resumed = submit(E2E, *options, "--batch-size", "2", output="several")
    assert {phase["samples"] for phase in resumed.report["phases"].values()} == {0}
    assert resumed.predictions == alone.predictions


# Kills the second process when its share is half done.
KILL_SECOND = """
import os, signal
import submission.journal as journal
add = journal.Journal.add_image
def dying(self, *arguments):
    add(self, *arguments)
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.add_image = dying
"""


def test_killed_process_keeps_what_was_done(submit: Start, weights: Path, tmp_path: Path) -> None:
    run = torchrun(2, weights, tmp_path / "several", sabotage=KILL_SECOND)
    assert run.status != 0
    alone = submit(E2E, "--batch-size", "2", output="alone")
    assert list(run.predictions) == list(alone.predictions)
    assert run.report["processes"][1]["ended"] == "process lost"
    assert run.report["ended"] in ("process lost", "terminated")  # torchrun may come before the first one's own end
    second = [json.loads(line) for line in (run.output / "journal.1.jsonl").read_text(encoding="utf-8").splitlines()]
    answered = {record["id"]: record["text"] for record in second[1:] if record["phase"] == "answer"}
    assert len(answered) == 4
    assert all(run.predictions[name][0]["content"] == text for name, text in answered.items())

    # The first process may have been told to end before it answered anything; what it did is read before the next run.
    known = answered.keys() | {record["id"] for record in run.journal_whole if record["phase"] == "answer"}
    resumed = submit(E2E, "--batch-size", "2", output="several")
    assert resumed.status == 0
    assert_same_run(resumed, alone)
    answers = resumed.report["phases"].get("answer", {"samples": 0})
    assert answers["samples"] == len(alone.predictions) - len(known)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(4, 2), (2, 4)])
def test_a_run_goes_on_with_another_number_of_processes(
    submit: Start, weights: Path, tmp_path: Path, first: int, second: int
) -> None:
    torchrun(first, weights, tmp_path / "several", sabotage=KILL_SECOND)
    resumed = torchrun(second, weights, tmp_path / "several")
    alone = submit(E2E, "--batch-size", "2", output="alone")
    assert resumed.status == 0, resumed.stderr
    assert_same_run(resumed, alone)
    assert resumed.report["phases"]["answer"]["samples"] < len(alone.predictions)


def sample(sample_id: str, pictured: bool) -> Sample:
    return Sample(sample_id, (Item("text", "?"), *([Item("image", "images/1.jpg")] if pictured else [])))


@given(kinds=st.lists(st.booleans(), max_size=40), count=st.integers(1, 9))
def test_samples_are_shared_evenly(kinds: list[bool], count: int) -> None:
    samples = [sample(str(number), pictured) for number, pictured in enumerate(kinds)]
    shares = [Shard(number, count).of(samples) for number in range(count)]
    assert sorted((each.id for share in shares for each in share), key=int) == [each.id for each in samples]
    for share in shares:
        assert [each.id for each in share] == sorted((each.id for each in share), key=int)
    for pictured in (True, False):
        sizes = [sum(each.has_image is pictured for each in share) for share in shares]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("environment", "number", "count"),
    [({}, 0, 1), ({"WORLD_SIZE": "1", "RANK": "0"}, 0, 1), ({"WORLD_SIZE": "4", "RANK": "2"}, 2, 4)],
)
def test_torchrun_says_which_process_this_is(environment: dict[str, str], number: int, count: int) -> None:
    shard = shard_of_process(environment)
    assert (shard.number, shard.count) == (number, count)


def test_several_machines_are_refused(submit: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    run = submit(E2E)
    assert run.status == 2
    assert "on one machine" in run.stderr


def result(process: int) -> RankResult:
    return RankResult(process, {}, {"a": str(process)}, set())


def test_the_first_process_waits_for_none_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def process(number: int, launch: str = "now") -> PeerProcesses:
        return PeerProcesses(tmp_path, Shard(number, 6, launch), {})

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    process(1).begin()
    process(1).hand_in(result(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: gone.pid)
        process(2).begin()  # began, and is gone
        process(3).begin()
        process(3).hand_in(result(3))  # has handed in, and is gone
    process(4, launch="before").begin()
    process(4, launch="before").hand_in(result(4))  # of an earlier launch; of this one, there is no sign of it
    process(5).begin()  # still at work at the first look
    first = process(0)
    assert not first.poll(peers.STARTING_SECONDS - 1)
    assert set(first.handed_in) == {1, 2, 3}
    assert not first.poll(peers.STARTING_SECONDS + 1)
    process(5).hand_in(result(5))
    assert first.poll(peers.STARTING_SECONDS + 1)
    assert first.handed_in == {1: result(1), 2: None, 3: result(3), 4: None, 5: result(5)}
    assert [(each.process, each.status.word) for each in first.results()] == [
        (1, "finished"),
        (2, "process lost"),
        (3, "finished"),
        (4, "process lost"),
        (5, "finished"),
    ]


def test_patience_ends_even_with_a_process_that_is_at_work(tmp_path: Path) -> None:
    PeerProcesses(tmp_path, Shard(1, 2, "now"), {}).begin()
    first = PeerProcesses(tmp_path, Shard(0, 2, "now"), {})
    assert not first.poll(9.0, patience=10.0)
    assert first.poll(11.0, patience=10.0)
    assert first.handed_in == {1: None}


def test_following_another_process_s_journal(tmp_path: Path) -> None:
    with Journal(tmp_path, 1) as journal:
        follower = JournalFollower(journal.path, {"seed": 0})
        follower.catch_up()
        journal.resume({"seed": 0})
        journal.add_answer("a", "дом")
        follower.catch_up()
        assert follower.records.answers == {"a": "дом"}
        journal.add_answer("b", "кот")
        with journal.path.open("ab") as file:
            file.write(b'{"phase": "answer", "id": "c", "te')
        follower.catch_up()
        assert follower.records.answers == {"a": "дом", "b": "кот"}
        other = JournalFollower(journal.path, {"seed": 1})
        other.catch_up()
        assert other.records.answers == {}
