"""Reading, encoding and writing pictures is not the model's thread's work: it is done by three others beside it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import submission.devices as devices
import submission.image_encoder as image_encoder
import submission.picture_files as picture_files
import submission.scheduler as scheduler
from contest.errors import Code, ContestError
from contest.items import Item, Sample
from submission.deadline import Deadline
from submission.devices import has_room_to_overlap, side_stream, wait_asleep
from submission.engine import Engine, GeneratedText, Query
from submission.image_encoder import EncoderThread
from submission.picture_files import PictureFiles, QueuedImage, WriteQueue, crc_of, grey_picture
from submission.profiles import TUNED
from tests.submission.conftest import Start, Write, image, text

SAMPLES = {str(number): [text(f"нарисуй {number} домов")] for number in range(4)} | {
    f"asked {number}": [text(f"Что лежит под столом номер {number}?"), image("images/red.png")] for number in range(4)
}
PATIENCE = 600  # seconds after which a thread counts as never coming


def sample(number: int, name: str) -> Sample:
    return Sample(str(number), (Item("image", name),))


def around(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, visit: Callable[[], Any]) -> None:
    """Have `visit` called within every call of a function, before it does its work."""
    call = getattr(target, name)

    def visited(*arguments: Any, **options: Any) -> Any:
        visit()
        return call(*arguments, **options)

    monkeypatch.setattr(target, name, visited)


def this_thread() -> str:
    return threading.current_thread().name.split("_")[0]


def test_the_models_thread_only_computes(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[tuple[str, str]] = Counter()

    def count(name: str) -> None:
        calls[name, this_thread()] += 1

    for name in ("view_picture", "to_pixels", "to_jpeg", "write_bytes"):
        around(monkeypatch, picture_files, name, lambda name=name: count(name))
    for name in ("answer", "encode", "generate"):
        around(monkeypatch, Engine, name, lambda name=name: count(name))
    run = submit(write_input(SAMPLES), "--batch-size", "2")
    assert run.status == 0, run.stderr
    assert calls == {
        ("view_picture", "pictures"): 4,
        ("to_pixels", "pictures"): 4,
        ("to_jpeg", "pictures"): 4,
        ("write_bytes", "pictures"): 4,
        ("encode", "encoding"): 2,
        ("answer", "MainThread"): 4,
        ("generate", "MainThread"): 2,
    }
    assert not {thread.name.split("_")[0] for thread in threading.enumerate()} & {"pictures", "encoding"}, (
        "none outlives a run"
    )


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
def test_both_profiles_encode_in_the_thread(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    threads: set[str] = set()
    around(monkeypatch, Engine, "encode", lambda: threads.add(this_thread()))
    assert submit(write_input(SAMPLES), "--profile", profile).status == 0
    assert threads == {"encoding"}


def test_encoding_overlaps_answering(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_input(SAMPLES)
    in_turns = submit(source, output="in turns")
    both = threading.Barrier(2)
    met: list[str] = []

    def meet() -> None:  # raises, and so fails the batch, unless the other one is at work at the same time
        if this_thread() not in met:
            met.append(this_thread())
            both.wait(PATIENCE)

    for name in ("answer", "encode"):
        around(monkeypatch, Engine, name, meet)
    monkeypatch.setattr(scheduler, "has_room_to_overlap", lambda device, processes: True)
    run = submit(source)
    assert (run.status, sorted(met)) == (0, ["MainThread", "encoding"]), run.stderr
    assert run.predictions == in_turns.predictions
    once = run.report["memory_plan"]["phases"]["answer"]["need"]["once"]
    assert once["pictures encoded beside"] == run.report["memory_plan"]["phases"]["encode"]["bytes"]


@pytest.mark.parametrize(
    ("room", "batch", "sizes"),
    [
        (False, "8", [8]),  # all of them at once
        (False, "7", [4, 4]),  # two batches anyway: texts come first
        (True, "8", [4, 4]),  # texts are answered while pictures are encoded
    ],
)
def test_texts_and_pictures_are_answered_together_where_they_fit(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, room: bool, batch: str, sizes: list[int]
) -> None:
    source, seen, answer = write_input(SAMPLES), [], Engine.answer
    apart = submit(source, "--batch-size", "1", output="apart")

    def counted(engine: Engine, queries: list[Query]) -> list[GeneratedText]:
        seen.append(len(queries))
        return answer(engine, queries)

    monkeypatch.setattr(Engine, "answer", counted)
    monkeypatch.setattr(scheduler, "has_room_to_overlap", lambda device, processes: room)
    run = submit(source, "--batch-size", batch)
    assert (run.status, seen) == (0, sizes), run.stderr
    assert run.predictions == apart.predictions


def test_without_room_they_take_turns(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[str] = []
    together: list[list[str]] = []

    @contextmanager
    def working() -> Iterator[None]:
        at_work.append(this_thread())
        together.append(sorted(at_work))
        threading.Event().wait(0.01)  # long enough for the other one to come
        yield
        at_work.remove(this_thread())

    for name in ("answer", "encode"):
        monkeypatch.setattr(Engine, name, working()(getattr(Engine, name)))
    monkeypatch.setattr(scheduler, "has_room_to_overlap", lambda device, processes: False)
    run = submit(write_input(SAMPLES), "--batch-size", "1")
    assert run.status == 0, run.stderr
    assert Counter(map(tuple, together)) == {("MainThread",): 8, ("encoding",): 4}


@pytest.mark.parametrize(
    ("device", "threads", "processors", "processes", "room"),
    [
        ("cuda", 3, 3.0, 1, True),
        ("cpu", 1, 3.0, 1, True),
        ("cpu", 1, 2.0, 1, True),
        ("cpu", 1, 1.5, 1, False),  # a control group's share
        ("cpu", 2, 3.0, 1, False),
        ("cpu", 3, 3.0, 1, False),
        ("cpu", 2, 64.0, 1, False),  # the contest gives three
        ("cpu", 1, 3.0, 2, False),
    ],
)
def test_room_to_overlap(
    monkeypatch: pytest.MonkeyPatch, device: str, threads: int, processors: float, processes: int, room: bool
) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: processors)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert has_room_to_overlap(torch.device(device), processes) is room


def test_torchs_threads_of_each_thread(write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, seen, before = write_input({}), set(), torch.get_num_threads()

    def see(name: str) -> None:
        seen.add((name, this_thread(), torch.get_num_threads()))

    def encode(ids: list[str], pixels: list[torch.Tensor]) -> list[torch.Tensor]:
        see("encode")
        return pixels

    around(monkeypatch, picture_files, "to_pixels", lambda: see("to_pixels"))
    networks = SimpleNamespace(device=torch.device("cpu"))
    engine: Any = SimpleNamespace(networks=networks, profile=TUNED, encode=encode)
    samples = [sample(number, "images/red.png") for number in range(20)]
    try:
        torch.set_num_threads(2)
        with PictureFiles(folder, 16, 75) as files, ThreadPoolExecutor(1, "encoding") as thread:
            deadline = Deadline(1000.0, time.monotonic())
            options: Any = {"overlap": True, "deadline": deadline, "thread": thread, "shown": False}
            at_work = EncoderThread(samples, files, engine, 1, **options)
            assert all(isinstance(future.result(PATIENCE), torch.Tensor) for future in at_work.results.values())
        see("answer")
    finally:
        torch.set_num_threads(before)
    assert seen == {("to_pixels", "pictures", 1), ("encode", "encoding", 2), ("answer", "MainThread", 2)}


# A GPU's queues, as they are asked for.


def test_side_stream_waits_for_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    stream = SimpleNamespace(wait_stream=lambda other: asked.append(("wait for", other)))
    event = SimpleNamespace(
        record=lambda on: asked.append(("record", on)), synchronize=lambda: asked.append(("wait", "asleep"))
    )
    cuda = SimpleNamespace(
        Stream=lambda device: stream,
        current_stream=lambda device: f"current of {device}",
        Event=lambda blocking: event if blocking else None,
    )
    monkeypatch.setattr(devices.torch, "cuda", cuda)
    assert side_stream(torch.device("cuda:1")) is stream
    wait_asleep(torch.device("cuda:1"))
    assert asked == [("wait for", "current of cuda:1"), ("record", "current of cuda:1"), ("wait", "asleep")]
    asked.clear()
    assert side_stream(torch.device("cpu")) is None
    wait_asleep(torch.device("cpu"))
    assert asked == []


def test_only_encoding_uses_the_side_stream(submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = threading.local()
    made_in: list[str] = []
    seen: set[tuple[str, Any]] = set()

    def side(device: torch.device) -> str:
        made_in.append(this_thread())
        return "side"

    @contextmanager
    def on(stream: Any) -> Iterator[None]:
        streams.current = stream
        yield
        streams.current = None

    monkeypatch.setattr(image_encoder, "side_stream", side)
    monkeypatch.setattr(torch.cuda, "stream", on)
    for name in ("answer", "encode", "generate", "render"):
        around(monkeypatch, Engine, name, lambda name=name: seen.add((name, getattr(streams, "current", None))))
    assert submit(write_input(SAMPLES)).status == 0
    assert made_in == ["MainThread"], "where the weights were asked for"
    assert seen == {("encode", "side"), ("answer", None), ("generate", None), ("render", None)}


def test_a_picture_is_recorded_only_when_it_is_written(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = picture_files.write_bytes

    def slow(path: str, data: bytes) -> None:
        threading.Event().wait(0.05)
        write(path, data)
        written.append(Path(path).name)

    monkeypatch.setattr(picture_files, "write_bytes", slow)
    seen: list[tuple[str, list[str]]] = []
    add = picture_files.WriteQueue.take

    def take(self: WriteQueue, leave: int) -> list[QueuedImage]:
        done = add(self, leave)
        seen.extend((f"image_{each.sample.id}.jpg", list(written)) for each in done)
        return done

    monkeypatch.setattr(WriteQueue, "take", take)
    run = submit(write_input(SAMPLES), "--batch-size", "1")
    assert run.status == 0, run.stderr
    assert [name for name, _ in seen] == [f"image_{number}.jpg" for number in range(4)]
    assert all(name in files for name, files in seen)


def test_reading_ahead_is_bounded(write_input: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_input({})
    read: list[str] = []
    view_picture = picture_files.view_picture

    def counting(path: Path, **place: Any) -> Any:
        read.append(place["sample_id"])
        return view_picture(path, **place)

    monkeypatch.setattr(picture_files, "view_picture", counting)
    monkeypatch.setattr(picture_files, "READ_AHEAD", 3)
    samples = [sample(number, "images/red.png") for number in range(6)] + [sample(6, "images/none.png")]
    with PictureFiles(folder, 16, 75) as files:
        files.expect(samples)
        assert len(files._reading) == 3
        found = list(files.read(samples[:2]))
        assert [tuple(pixels.shape) for pixels in found if not isinstance(pixels, ContestError)] == [(3, 16, 16)] * 2
        assert len(files._reading) == 3
        (*_, missing) = files.read(samples[2:])
        assert isinstance(missing, ContestError)
        assert missing.code is Code.PICTURE_MISSING
        assert sorted(read) == [str(number) for number in range(7)]
        list(files.read(samples[:1]))  # once more, as after a batch that failed
        assert read[-1] == "0"


def test_a_written_picture_is_known_by_its_checksum(tmp_path: Path) -> None:
    with PictureFiles(tmp_path, 16, 75) as files:
        written = files.write(tmp_path / "a.jpg", grey_picture(16)).result()
        failed = files.write(tmp_path / "none" / "a.jpg", grey_picture(16)).exception()
    assert crc_of(tmp_path / "a.jpg") == written
    assert crc_of(tmp_path / "b.jpg") is None
    assert isinstance(failed, ContestError)
