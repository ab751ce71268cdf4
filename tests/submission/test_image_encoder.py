"""What goes wrong while pictures are encoded beside the answers: shortage, failures, signals, and the clock."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import submission.deadline as deadline_module
from submission.engine import Engine
from submission.image_encoder import PromisedPictures
from submission.recorded_images import CodesTable
from submission.tables import SampleIds
from tests.submission.conftest import Start, Write
from tests.submission.test_overlap import SAMPLES


def test_encoder_out_of_memory_halves(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_input(SAMPLES)
    plenty = submit(source, output="plenty")
    encode, sizes = Engine.encode, []

    def short(engine: Engine, ids: Any, pixels: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(engine, ids, pixels)

    monkeypatch.setattr(Engine, "encode", short)
    run = submit(source)
    assert (run.status, run.predictions) == (0, plenty.predictions)
    assert sizes == [4, 2, 2]
    report = run.report["phases"]["encode"]
    assert (report["samples"], report["failed"], report["batch_size"], report["last_batch_size"]) == (4, 0, 4, 2)


def test_encoding_failure_costs_one_sample(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_input(SAMPLES)
    whole = submit(source, output="whole")
    encode = Engine.encode

    def failing(engine: Engine, ids: Any, pixels: Any) -> Any:
        if "asked 1" in ids:
            raise RuntimeError("no eyes")
        return encode(engine, ids, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", failing)
        run = submit(source)
    assert run.status == 1
    (problem,) = run.report["problems"]
    assert (problem["sample_id"], problem["phase"], problem["error"]) == ("asked 1", "encode", "no eyes")
    assert "Traceback" in problem["trace"]
    others = {key: items for key, items in run.predictions.items() if key != "asked 1"}
    assert others == {key: items for key, items in whole.predictions.items() if key != "asked 1"}
    assert submit(source).predictions == whole.predictions  # its answer was not kept


def test_a_picture_that_cannot_be_kept_is_waited_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    promised = PromisedPictures(["a", "b"], SampleIds(["a", "b"]))
    future = promised["a"]
    monkeypatch.setattr(CodesTable, "__setitem__", fail)
    with pytest.raises(OSError, match="Input"):
        promised.keep("a", torch.tensor([1, 2]))
    promised.cancel()  # as the thread does at its end
    assert future.cancelled()
    assert promised.are_done


# Sends the process a signal while the second picture is encoded, which then takes its time.
SIGNAL = """
import os, signal, time
import submission.scheduler
from submission.image_encoder import EncoderThread
from submission.engine import Engine
submission.scheduler.has_room_to_overlap = lambda device, processes: {overlap}
encode, count = Engine.encode, 0
def signalled(*arguments):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)
    return encode(*arguments)
Engine.encode = signalled
"""


@pytest.mark.parametrize(("profile", "overlap"), [("tuned", True), ("tuned", False), ("baseline", False)])
def test_signal_while_encoding(start: Start, submit: Start, write_input: Write, profile: str, overlap: bool) -> None:
    source, options = write_input(SAMPLES), ("--batch-size", "1", "--profile", profile)
    run = start(source, *options, sabotage=SIGNAL.format(overlap=overlap))
    assert run.status == 143, run.stderr
    assert "Traceback" not in run.stderr
    assert list(run.predictions) == list(SAMPLES)
    assert {"asked 1", "asked 2", "asked 3"} <= set(run.report["missing"]["answers"])
    assert run.report["phases"]["encode"]["samples"] == 4
    whole = submit(source, *options, output="whole")
    resumed = submit(source, *options)
    assert (resumed.status, resumed.predictions) == (0, whole.predictions)


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
def test_near_the_time_limit_no_picture_is_encoded(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    source, options = write_input(SAMPLES), ("--batch-size", "1", "--profile", profile)
    whole = submit(source, *options, output="whole")
    encode, ahead = Engine.encode, [0.0]
    now = deadline_module.time.monotonic

    def late(engine: Engine, ids: Any, pixels: Any) -> Any:
        if ids == ["asked 1"]:
            ahead.append(0.96 * 10**6)
        return encode(engine, ids, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "encode", late)
        patch.setattr(deadline_module, "time", SimpleNamespace(monotonic=lambda: now() + sum(ahead)))
        run = submit(source, *options, "--time-limit", "1000000")
    assert (run.status, run.report["ended"]) == (3, "time limit")
    assert run.report["missing"]["answers"] == []
    kept = {record["id"] for record in run.journal[1:] if record["phase"] == "answer"}
    assert {"asked 0"} <= kept & {f"asked {number}" for number in range(4)} <= {"asked 0", "asked 1"}
    again = submit(source, *options)
    assert (again.status, again.predictions) == (0, whole.predictions)
