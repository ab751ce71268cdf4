"""Reading and writing pictures is not the model's thread's work: it is done by two others beside it."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import submission.picture_files as picture_files
from contest.errors import Code, ContestError
from contest.items import Item, Sample
from submission.phases import Engine
from submission.picture_files import PictureFiles, Writing, Written, crc_of
from submission.pictures import neutral_picture
from tests.submission.conftest import Start, Write, image, text

SAMPLES = {str(number): [text(f"нарисуй {number} домов")] for number in range(4)} | {
    f"asked {number}": [text(f"Что лежит под столом номер {number}?"), image("images/red.png")] for number in range(4)
}


def test_the_models_thread_neither_reads_nor_writes_pictures(
    submit: Start, write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[tuple[str, str]] = Counter()

    def counted(name: str, call: Any) -> Any:
        def counting(*arguments: Any, **options: Any) -> Any:
            calls[name, threading.current_thread().name.split("_")[0]] += 1
            return call(*arguments, **options)

        return counting

    for name in ("open_picture", "to_pixels", "to_jpeg", "write_bytes"):
        monkeypatch.setattr(picture_files, name, counted(name, getattr(picture_files, name)))
    for name in ("answer", "encode", "draw"):
        monkeypatch.setattr(Engine, name, counted(name, getattr(Engine, name)))
    run = submit(write_input(SAMPLES), "--batch-size", "2")
    assert run.status == 0, run.stderr
    assert calls == {
        ("open_picture", "pictures"): 4,
        ("to_pixels", "pictures"): 4,
        ("to_jpeg", "pictures"): 4,
        ("write_bytes", "pictures"): 4,
        ("answer", "MainThread"): 4,
        ("encode", "MainThread"): 2,
        ("draw", "MainThread"): 2,
    }
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")], "none outlives a run"


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


def sample(number: int, name: str) -> Sample:
    return Sample(str(number), (Item("image", name),))


def test_pictures_are_read_ahead_up_to_a_bound_and_each_once(
    write_input: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_input({})
    read: list[str] = []
    open_picture = picture_files.open_picture

    def counting(path: Path, **place: Any) -> Any:
        read.append(place["sample_id"])
        return open_picture(path, **place)

    monkeypatch.setattr(picture_files, "open_picture", counting)
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
