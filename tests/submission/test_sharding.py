"""A run in several processes under torchrun: the same answers, and nothing lost when one of them is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contest.items import Item, Sample
from submission.journal import Follower, Journal
from submission.sharding import Parts, Shard, shard_of_process
from tests.submission.conftest import GOLDEN, ROOT, Finished, Start, look_the_same

E2E = GOLDEN / "e2e"


def torchrun(
    processes: int, weights: Path, output: Path, *options: str, source: Path = E2E, sabotage: str = ""
) -> Finished:
    """Run the submission under torchrun; `sabotage` is Python that runs beforehand in each process."""
    program = ["-m", "submission"]
    if sabotage:
        script = output.with_suffix(".py")
        script.write_text(f"{sabotage}\nimport submission.__main__ as m\nm.sys.exit(m.main())")
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
add = journal.Journal.add_drawing
def dying(self, *arguments):
    add(self, *arguments)
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.add_drawing = dying
"""


def test_a_process_that_is_killed_ends_all_and_keeps_what_was_done(
    submit: Start, weights: Path, tmp_path: Path
) -> None:
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
def test_every_sample_belongs_to_one_process_and_each_kind_is_shared_evenly(kinds: list[bool], count: int) -> None:
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


def nothing() -> None:
    pass


def test_the_first_process_waits_for_none_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(number: int, launch: str = "now") -> Parts:
        return Parts(tmp_path, Shard(number, 6, launch))

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    parts(1).begin()
    parts(1).deliver({"answers": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: gone.pid)
        parts(2).begin()  # began, and is gone
        parts(3).begin()
        parts(3).deliver({"answers": 3})  # has handed in, and is gone
    parts(4, launch="before").begin()
    parts(4, launch="before").deliver({"answers": 4})  # of an earlier launch; of this one, there is no sign of it
    monkeypatch.setattr("submission.sharding.STARTING_SECONDS", 0.0)
    looks: list[Any] = []
    parts(5).begin()  # still at work, until the first look is over

    def while_waiting() -> None:
        looks.append(None)
        parts(5).deliver({"answers": 5})

    found = parts(0).collect(while_waiting)
    assert found == {1: {"answers": 1}, 2: None, 3: {"answers": 3}, 4: None, 5: {"answers": 5}}
    assert len(looks) == 1


def test_patience_ends_even_with_a_process_that_is_at_work(tmp_path: Path) -> None:
    Parts(tmp_path, Shard(1, 2, "now")).begin()
    assert Parts(tmp_path, Shard(0, 2, "now")).collect(nothing, patience=0.0) == {1: None}


def test_a_journal_of_another_process_is_followed_line_by_line(tmp_path: Path) -> None:
    with Journal(tmp_path, 1) as journal:
        follower = Follower(journal.path, {"seed": 0})
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
        other = Follower(journal.path, {"seed": 1})
        other.catch_up()
        assert other.records.answers == {}
