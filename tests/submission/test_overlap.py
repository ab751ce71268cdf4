"""Reading, encoding and writing pictures is not the model's thread's work: it is done by three others beside it."""

import threading
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
import submission.image_encoder as encoding
import submission.picture_files as picture_files
import submission.scheduler as work
from contest.errors import Code, ContestError
from contest.items import Item, Sample
from submission.devices import has_room_beside, side_stream, wait_asleep
from submission.engine import Engine
from submission.image_encoder import Encoding
from submission.picture_files import PictureFiles, Writing, Written, crc_of
from submission.pictures import neutral_picture
from submission.profiles import TUNED
from tests.submission.conftest import Start, Write, image, text

SAMPLES = {str(number): [text(f"нарисуй {number} домов")] for number in range(4)} | {
    f"asked {number}": [text(f"Что лежит под столом номер {number}?"), image("images/red.png")] for number in range(4)
}
PATIENCE = 60  # seconds after which a thread counts as never coming


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


def test_the_models_thread_neither_reads_nor_encodes_nor_writes_pictures(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[tuple[str, str]] = Counter()

    def count(name: str) -> None:
        calls[name, this_thread()] += 1

    for name in ("view_picture", "to_pixels", "to_jpeg", "write_bytes"):
        around(monkeypatch, picture_files, name, lambda name=name: count(name))
    for name in ("answer", "encode", "draw"):
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
        ("draw", "MainThread"): 2,
    }
    assert not {thread.name.split("_")[0] for thread in threading.enumerate()} & {"pictures", "encoding"}, (
        "none outlives a run"
    )


@pytest.mark.parametrize("profile", ["tuned", "baseline"])
def test_all_that_the_model_is_not_needed_for_is_the_same_in_both_profiles(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    threads: set[str] = set()
    around(monkeypatch, Engine, "encode", lambda: threads.add(this_thread()))
    assert submit(write_input(SAMPLES), "--profile", profile).status == 0
    assert threads == {"encoding"}


def test_with_room_beside_a_picture_is_encoded_while_a_text_is_answered(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setattr(work, "has_room_beside", lambda device, processes: True)
    run = submit(source)
    assert (run.status, sorted(met)) == (0, ["MainThread", "encoding"]), run.stderr
    assert run.predictions == in_turns.predictions
    once = run.report["memory_plan"]["phases"]["answer"]["need"]["once"]
    assert once["pictures encoded beside"] == run.report["memory_plan"]["phases"]["encode"]["bytes"]


def test_without_room_beside_they_take_turns(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setattr(work, "has_room_beside", lambda device, processes: False)
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
def test_two_threads_never_compute_with_more_of_torchs_threads_than_there_are_processors(
    monkeypatch: pytest.MonkeyPatch, device: str, threads: int, processors: float, processes: int, room: bool
) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: processors)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert has_room_beside(torch.device(device), processes) is room


def test_encoding_has_as_many_of_torchs_threads_as_the_model_and_reading_has_one(
    write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
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
            options: Any = {"beside": True, "go_on": lambda: None, "thread": thread, "shown": False}
            at_work = Encoding(samples, files, engine, 1, **options)
            assert all(isinstance(future.result(PATIENCE), torch.Tensor) for future in at_work.found.values())
        see("answer")
    finally:
        torch.set_num_threads(before)
    assert seen == {("to_pixels", "pictures", 1), ("encode", "encoding", 2), ("answer", "MainThread", 2)}


# A GPU's queues, as they are asked for.


def test_a_side_stream_begins_behind_what_is_on_its_way_to_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_pictures_are_encoded_on_the_side_stream_and_nothing_else_is(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    monkeypatch.setattr(encoding, "side_stream", side)
    monkeypatch.setattr(torch.cuda, "stream", on)
    for name in ("answer", "encode", "draw", "render"):
        around(monkeypatch, Engine, name, lambda name=name: seen.add((name, getattr(streams, "current", None))))
    assert submit(write_input(SAMPLES)).status == 0
    assert made_in == ["MainThread"], "where the weights were asked for"
    assert seen == {("encode", "side"), ("answer", None), ("draw", None), ("render", None)}


def test_a_picture_is_recorded_only_when_it_is_written(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = picture_files.write_bytes

    def slow(path: Path, data: bytes) -> None:
        threading.Event().wait(0.05)
        write(path, data)
        written.append(path.name)

    monkeypatch.setattr(picture_files, "write_bytes", slow)
    seen: list[tuple[str, list[str]]] = []
    add = picture_files.Writing.take

    def take(self: Writing, leave: int) -> list[Written]:
        done = add(self, leave)
        seen.extend((f"image_{each.sample.id}.jpg", list(written)) for each in done)
        return done

    monkeypatch.setattr(Writing, "take", take)
    run = submit(write_input(SAMPLES), "--batch-size", "1")
    assert run.status == 0, run.stderr
    assert [name for name, _ in seen] == [f"image_{number}.jpg" for number in range(4)]
    assert all(name in files for name, files in seen)


def test_pictures_are_read_ahead_up_to_a_bound_and_each_once(
    write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        found = files.read(samples[:2])
        assert [tuple(pixels.shape) for pixels in found if not isinstance(pixels, ContestError)] == [(3, 16, 16)] * 2
        assert len(files._reading) == 3
        (*_, missing) = files.read(samples[2:])
        assert isinstance(missing, ContestError)
        assert missing.code is Code.PICTURE_MISSING
        assert sorted(read) == [str(number) for number in range(7)]
        files.read(samples[:1])  # once more, as after a batch that failed
        assert read[-1] == "0"


def test_a_written_picture_is_known_by_its_checksum(tmp_path: Path) -> None:
    with PictureFiles(tmp_path, 16, 75) as files:
        written = files.write(tmp_path / "a.jpg", neutral_picture(16)).result()
        failed = files.write(tmp_path / "none" / "a.jpg", neutral_picture(16)).exception()
    assert crc_of(tmp_path / "a.jpg") == written
    assert crc_of(tmp_path / "b.jpg") is None
    assert isinstance(failed, ContestError)
