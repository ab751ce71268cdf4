"""Records of a spool are what was appended, wherever they are: in memory, in its file, or where that has no room."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from contest import spool as spool_module
from contest.spool import RecordSpool

SIZES = (0, 1, 5, 300, 5000)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("begins_in_memory", [False, True])
def test_records_are_read_as_they_were_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, begins_in_memory: bool
) -> None:
    monkeypatch.setattr(spool_module, "HELD_BYTES", 700)
    monkeypatch.setattr(spool_module, "BLOCK_BYTES", 64)
    rng, spool, records = random.Random(seed), RecordSpool(None if begins_in_memory else tmp_path), dict[int, bytes]()
    for step in range(300):
        data = rng.randbytes(rng.choice(SIZES))
        records[spool.append(data)] = data
        place = rng.choice(list(records))
        assert spool.read(place) == records[place]
        if step == 100:
            spool.keep_in(tmp_path)
    assert [spool.read(place) for place in records] == list(records.values())
    assert spool.size == sum(4 + len(data) for data in records.values())
    assert len(spool._tail[1]) < 700
    assert not list(tmp_path.iterdir())  # the file has no name


def test_a_few_records_make_no_file(tmp_path: Path) -> None:
    spool = RecordSpool(tmp_path / "none")
    places = [spool.append(b"abc"), spool.append(b""), spool.append(b"defg")]
    assert (places, [spool.read(place) for place in places]) == ([0, 7, 11], [b"abc", b"", b"defg"])


def no_space(*_: Any) -> int:
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_records_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "HELD_BYTES", 100)
    spool, write = RecordSpool(tmp_path), os.pwrite
    places = [spool.append(bytes([number] * 30)) for number in range(10)]
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: write(file, data[:40], place) and no_space())
    places += [spool.append(bytes([number] * 30)) for number in range(10, 20)]
    assert [spool.read(place) for place in places] == [bytes([number] * 30) for number in range(20)]
    monkeypatch.setattr(os, "pwrite", write)
    places.append(spool.append(b"later"))
    assert spool.read(places[-1]) == b"later"
    assert spool.read(places[0]) == bytes(30)


@pytest.mark.parametrize("folder", ["none", "."])
def test_no_folder_or_little_room_leaves_them_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    if folder == ".":
        monkeypatch.setattr(spool_module, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(spool_module, "HELD_BYTES", 100)
    spool = RecordSpool(tmp_path / folder)
    places = [spool.append(bytes([number] * 30)) for number in range(10)]
    assert [spool.read(place)[0] for place in places] == list(range(10))
    assert len(spool._tail[1]) == 340


def test_a_spool_that_is_gone_closes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "HELD_BYTES", 1)
    before = len(os.listdir("/proc/self/fd"))
    spools = [RecordSpool(tmp_path) for _ in range(5)]
    for spool in spools:
        spool.append(b"x")
    assert len(os.listdir("/proc/self/fd")) == before + 5
    del spool, spools
    assert len(os.listdir("/proc/self/fd")) == before
