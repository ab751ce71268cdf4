"""Whoever ends a run writes the best that any journal knows, in the form of this input."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from submission.journal import Journal, read_journals
from submission.peers import PeerProcesses, is_alive
from submission.predictions import plain_picture
from submission.recorded_images import RecordedImage
from submission.sharding import Shard
from tests.submission.conftest import ROOT, Finished, Start, Write, image, text
from tests.submission.test_resume import KILL, SAMPLES
from tests.submission.test_sharding import E2E, torchrun

FALLBACK = "пустая строка"

# What the processes of a run wait for, and how the first one ends; the second is killed by its third record, if at all.
FATES = """
import os, signal, time
from pathlib import Path
import submission.journal as journal
import submission.run as run
rank, output = os.environ["RANK"], Path({output!r})
def until_records(count):
    path = output / "journal.1.jsonl"
    while not path.exists() or path.read_bytes().count(b"\\n") < 1 + count:
        time.sleep(0.05)
def killed():
    until_records(3)
    os.kill(os.getpid(), signal.SIGKILL)
def asleep(*arguments):
    time.sleep(600)
def dying(*arguments):
    killed()
add = journal.Journal.add_answer
def last_words(self, *arguments, **options):
    add(self, *arguments, **options)
    if (output / "journal.1.jsonl").read_bytes().count(b"\\n") >= 4:
        os.kill(os.getpid(), signal.SIGKILL)
if rank == "0":
    {first}
else:
    {second}
"""


def answers_of(path: Path) -> dict[str, str]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {record["id"]: record["text"] for record in records if record["phase"] == "answer"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("run.load_networks = asleep", "journal.Journal.add_answer = last_words"),
        pytest.param("run.fingerprint = asleep", "journal.Journal.add_answer = last_words", marks=pytest.mark.slow),
        ("run.load_networks = dying", "pass"),
        pytest.param("killed()", "pass", marks=pytest.mark.slow),  # it never even began
    ],
    ids=["stopped while it loads", "stopped while it hashes", "killed while it loads", "killed before it begins"],
)
def test_the_first_process_ends_first(submit: Start, weights: Path, tmp_path: Path, first: str, second: str) -> None:
    output = tmp_path / "several"
    fates = FATES.format(output=str(output), first=first, second=second)
    run = torchrun(2, weights, output, "--batch-size", "1", sabotage=fates)
    assert run.status != 0
    done = answers_of(output / "journal.1.jsonl")
    assert len(done) >= 3
    written = {key: items[0]["content"] for key, items in run.predictions.items()}
    alone = submit(E2E, "--batch-size", "1", output="alone")
    assert {key: written[key] for key in done} == done
    assert [[item["type"] for item in items] for items in run.predictions.values()] == [
        [item["type"] for item in items] for items in alone.predictions.values()
    ]
    assert list(run.predictions) == list(alone.predictions)
    assert set(run.report["missing"]["answers"]) == run.predictions.keys() - done.keys()
    assert len(run.report["processes"]) == 2
    resumed = submit(E2E, "--batch-size", "1", output="several")
    assert (resumed.status, resumed.predictions) == (0, alone.predictions)
    assert not (output / ".processes").exists()
    assert not list(output.glob(".*"))


def test_the_drawing_among_more_draws_stays(submit: Start, weights: Path, tmp_path: Path) -> None:
    once = submit(E2E, "--batch-size", "2", output="several")
    pictures = {name: (once.output / "images" / name).read_bytes() for name in once.pictures}
    several = torchrun(2, weights, tmp_path / "several", "--draws", "3")
    assert several.status == 0, several.stderr
    better = {name: (several.output / "images" / name).read_bytes() for name in several.pictures}
    assert better != pictures
    again = submit(E2E, "--batch-size", "2", output="several")
    assert {name: (again.output / "images" / name).read_bytes() for name in again.pictures} == better
    assert "restore" not in again.report["phases"]


def codes(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def test_journals_merge_by_most_draws(tmp_path: Path) -> None:
    configuration = {"seed": 0, "weights_sha256": {"a": "1"}}
    drawn = {0: [(1, 1), (2, 1)], 1: [(3, 3)], 2: [(4, 2)]}  # by process: (code, draws)
    for process, drawings in drawn.items():
        with Journal(tmp_path, process) as journal:
            journal.resume(configuration)
            for code, draws in drawings:
                journal.add_image("x", RecordedImage(codes(code), code, draws))
    for process in drawn:
        with Journal(tmp_path, process) as journal:
            image = journal.resume(configuration).images["x"]
            assert (image.codes.tolist(), image.crc, image.num_images) == ([3], 3, 3)
    assert read_journals(tmp_path, configuration).images["x"].crc == 3
    assert read_journals(tmp_path, {"seed": 0, "weights_sha256": {}}).images["x"].crc == 3  # not hashed yet
    assert read_journals(tmp_path, {"seed": 0, "weights_sha256": {"a": "2"}}).images == {}
    assert read_journals(tmp_path, {"seed": 1, "weights_sha256": {}}).images == {}


@pytest.mark.parametrize("options", [["--time-limit", "0.001"], ["--weights", "no/such/folder"]])
def test_journalled_answers_before_the_weights(
    start: Start, submit: Start, write_input: Write, options: list[str]
) -> None:
    source = write_input(SAMPLES)
    killed = start(source, "--batch-size", "2", sabotage=KILL.format(after=7))
    done = {record["id"]: record["text"] for record in killed.journal_whole if record["phase"] == "answer"}
    assert len(done) == 5
    assert {items[0]["content"] for items in killed.predictions.values()} <= {FALLBACK, *done.values()}
    # A slow machine may have written some answers before the kill: here none was.
    fallbacks = {key: [{"type": "text", "content": FALLBACK}, *items[1:]] for key, items in killed.predictions.items()}
    (killed.output / "predictions.json").write_text(json.dumps(fallbacks), encoding="utf-8")
    run = submit(source, "--batch-size", "2", *options)
    assert {key: items[0]["content"] for key, items in run.predictions.items()} == done
    assert run.report["missing"]["answers"] == []


def kinds(run: Finished) -> list[list[str]]:
    return [[item["type"] for item in items] for items in run.predictions.values()]


@pytest.mark.parametrize(
    ("before", "after", "form"),
    [
        ([text("дом"), image("images/red.png")], [text("кошка")], ["text", "image"]),
        ([text("кошка")], [text("дом"), image("images/red.png")], ["text"]),
        ([text("кошка")], [text("собака")], ["text", "image"]),
    ],
    ids=["a picture is asked for", "a picture is given", "another text"],
)
def test_answers_to_another_input_do_not_stay(
    submit: Start, write_input: Write, before: Any, after: Any, form: list[str]
) -> None:
    earlier = submit(write_input({"0": before}))
    assert earlier.status == 0
    run = submit(write_input({"0": after}), "--weights", "no/such/folder")
    assert run.status == 2
    assert kinds(run) == [form]
    assert run.predictions["0"][0]["content"] == FALLBACK
    if "image" in form:
        assert (run.output / "images" / "image_0.jpg").read_bytes() == plain_picture()


def test_clearing_up_after_killed_processes(submit: Start, write_input: Write, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    PeerProcesses(output, Shard(1, 2, "before"), {}).begin()
    path = output / ".processes" / "1.json"
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {gone.pid}'))
    assert submit(write_input(SAMPLES)).status == 0
    assert not (output / ".processes").exists()


# Answers for ever, once both processes are at it.
ENDLESS = """
import os, time
from pathlib import Path
import submission.engine as engine_module
def endless(*arguments, **options):
    Path({folder!r}, os.environ["RANK"]).write_text(str(os.getpid()))
    while True: time.sleep(0.01)
engine_module.answer = endless
"""


def test_processes_end_with_their_launcher(weights: Path, tmp_path: Path) -> None:
    output, script = tmp_path / "output", tmp_path / "endless.py"
    sabotage = ENDLESS.format(folder=str(tmp_path))
    script.write_text(f"{sabotage}\nimport submission.__main__ as m\nm.start_program(m.main)")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"]
    paths = ["--input", str(E2E), "--output", str(output), "--weights", str(weights)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    log = (tmp_path / "log").open("wb")
    with subprocess.Popen(
        [*launcher, str(script), "run", *paths, "--device", "cpu"], cwd=ROOT, env=environment, stdout=log, stderr=log
    ) as process:
        pids = [tmp_path / "0", tmp_path / "1"]
        while not all(path.exists() and path.read_text() for path in pids):
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        process.kill()
    until = time.monotonic() + 120
    while any(is_alive(int(path.read_text())) for path in pids):
        assert time.monotonic() < until, "a process outlived its launcher"
        time.sleep(0.05)
    run = Finished(0, "", output)
    assert run.report["ended"] == "terminated"
    assert set(run.report["missing"]["answers"]) == set(run.predictions)
    assert not (output / ".processes").exists()
