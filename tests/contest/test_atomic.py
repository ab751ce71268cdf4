"""Files are replaced whole or not at all, and a lock is held by one process at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contest import atomic
from contest.atomic import locked, replacing

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from contest.atomic import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with path.open() as reader, replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert reader.closed
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_leaves_the_old_file_and_no_litter(error: BaseException, tmp_path: Path) -> None:
    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise error

    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_links_are_put_in_place_too(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as temporary:
        temporary.symlink_to("elsewhere")
    assert os.readlink(tmp_path / "a") == "elsewhere"


@pytest.mark.parametrize("sync", [False, True])
def test_only_what_is_to_be_synced_is_synced(sync: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    with replacing(tmp_path / "a", sync=sync) as temporary:
        temporary.write_text("four")
    assert synced == ([4] if sync else [])


def test_a_new_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as temporary:
        temporary.touch()
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("name", ["nul\0", "half\ud800", "missing/a", "long" * 100])
def test_a_name_that_can_not_be_is_an_error_of_the_system(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"\w"), replacing(tmp_path / name) as temporary:
        temporary.touch()
    with pytest.raises(OSError, match=r"\w"), locked(tmp_path / name):
        pass
    assert os.listdir(tmp_path) == []


def test_the_longest_name_has_room_for_its_temporary_file(tmp_path: Path) -> None:
    with replacing(tmp_path / ("n" * 255)) as temporary:
        temporary.touch()
    assert os.listdir(tmp_path) == ["n" * 255]


@pytest.mark.parametrize("name", [".", "lock"])
def test_another_process_waits_for_the_lock(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    command = [sys.executable, "-c", HOLD, str(tmp_path / name)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match="another process holds its lock"), locked(tmp_path / name, seconds=0):
            pass

        def end(_seconds: float) -> None:  # what stands in for the pause
            holder.kill()
            holder.wait()

        monkeypatch.setattr(atomic.time, "sleep", end)
        with locked(tmp_path / name, on_wait=lambda: waited.append("once")):
            assert waited == ["once"]
        with locked(tmp_path / name, seconds=0, on_wait=lambda: waited.append("free")):
            assert waited == ["once"]
