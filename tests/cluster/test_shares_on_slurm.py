"""Shares as array jobs, from the templates as they stand: merged, they are the bytes of one run."""

import json
import signal
from pathlib import Path

import pytest

from contest.shares import RECORD_NAME, Share
from data_prep.__main__ import main as data_prep
from data_prep.shares import shares_folder
from submission.__main__ import main as submission
from tests.cluster.slurm import ROOT, Job, ask, signal_command, submit, until
from tests.data_prep.conversions import tree, write_lines
from tests.data_prep.test_pipeline import question
from tests.training.test_encoding_shares import rows as rows_of_cache
from training.__main__ import main as training

pytestmark = pytest.mark.slurm


def visible(folder: Path) -> dict[str, bytes]:
    """The files but for the shares."""
    return {name: data for name, data in tree(folder).items() if not name.startswith((".", "share-"))}


def has_begun(folder: Path) -> bool:
    """Whether a share has begun, and not ended."""
    path = folder / RECORD_NAME
    return path.exists() and not json.loads(path.read_text())["ended"]


def test_a_conversion(tmp_path: Path) -> None:
    """The command of one share is killed, and begins again by itself."""
    rows = write_lines(tmp_path / "rows.jsonl", [question(i) for i in range(30_000)])
    job = submit("convert.sbatch", tmp_path, "sberquad", rows, OUTPUT=tmp_path / "out")
    shares = shares_folder(tmp_path / "out", "sberquad")
    until(lambda: has_begun(Share(1, 4).folder(shares)), "share 1 has begun", job.said, 0.05)
    signal_command(job, 1, "data_prep", signal.SIGKILL)
    assert data_prep(["sberquad", str(rows), "--output", str(tmp_path / "alone")]) == 0
    tasks = job.require_done()
    assert [task.restarts for task in sorted(tasks, key=lambda task: task.name)] == [0, 1, 0, 0]
    assert len({task.nodes for task in tasks if not task.restarts}) == 3, "each share had a host of its own"
    assert data_prep(["merge", "--output", str(tmp_path / "out")]) == 0
    assert visible(tmp_path / "out") == tree(tmp_path / "alone")


def test_an_encoding(tmp_path: Path) -> None:
    """All processes of a share's task are killed, its script too; somebody queues it again."""
    world = ("--train", "120", "--validation", "8", "--test", "0", "--tasks", "captioning,generation")
    assert data_prep(["synthetic", "--output", str(tmp_path / "world"), *world]) == 0
    settings = f"weights: {ROOT / 'weights'}\noutput: {tmp_path / 'run'}\ndata: {{folder: {tmp_path / 'world'}, cache: "
    for name in ("alone", "shares"):
        tasks = "tasks: {captioning: {samples: 1}, generation: {samples: 1}}\n"
        (tmp_path / f"{name}.yaml").write_text(f"{settings}{tmp_path / name}}}\n{tasks}")
    job = submit("encode.sbatch", tmp_path, CONFIG=tmp_path / "shares.yaml")
    killed = f"{job.number}_2"
    until(lambda: has_begun(Share(2, 4).folder(tmp_path / "shares")), "share 2 has begun", job.said, 0.05)
    signal_command(job, 2, "training", signal.SIGSTOP)  # so that it does not end before it is killed
    ask("scancel", "--full", "--signal=KILL", killed)
    assert training(["encode", "--config", str(tmp_path / "alone.yaml")]) == 0
    ended = {task.name: task for task in job.wait()}
    assert {name: task.state == "COMPLETED" for name, task in ended.items()} == {name: name != killed for name in ended}
    assert training(["merge", "--config", str(tmp_path / "shares.yaml")]) == 2, "a share is missing"
    ask("scontrol", "requeue", killed)
    assert {task.name: task.restarts for task in job.require_done()}[killed] == 1
    assert training(["merge", "--config", str(tmp_path / "shares.yaml")]) == 0
    assert rows_of_cache(tmp_path / "shares") == rows_of_cache(tmp_path / "alone")


def has_answered(job: Job, task: int) -> bool:
    """Whether a share of the demo has answered something."""
    journal = job.folder / f"out/share-{task:05d}-of-00004/journal.jsonl"
    return journal.exists() and journal.read_bytes().count(b"\n") > 1


def test_the_demo_in_four_shares_is_the_demo_in_one_run(tmp_path: Path) -> None:
    """One share is told that its time is up, and goes on from where it was."""
    places = {"INPUT": ROOT / "demo", "WEIGHTS": ROOT / "weights"}
    alone = submit(
        "answer.sbatch", tmp_path, "--shard", "0/1", options=("--array=0",), OUTPUT=tmp_path / "alone", **places
    )
    job = submit("answer.sbatch", tmp_path, OUTPUT=tmp_path / "out", **places)
    until(lambda: has_answered(job, 1), "share 1 has begun")
    ask("scancel", "--batch", "--signal=TERM", f"{job.number}_1")
    alone.require_done()
    tasks = {task.name: task for task in job.require_done()}
    assert tasks[f"{job.number}_1"].restarts == 1
    assert "going on with" in job.said()
    assert submission(["merge", "--input", str(ROOT / "demo"), "--output", str(tmp_path / "out")]) == 0
    one, merged = answers(tmp_path / "alone"), answers(tmp_path / "out")
    assert len(json.loads(one["predictions.json"])) == 240
    assert one.keys() == merged.keys()
    assert [name for name in one if one[name] != merged[name]] == []


def answers(output: Path) -> dict[str, bytes]:
    """What a run answers; how it came to it may differ."""
    names = ["predictions.json", *(f"images/{path.name}" for path in sorted((output / "images").iterdir()))]
    return {name: (output / name).read_bytes() for name in names}
