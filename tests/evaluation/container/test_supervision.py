"""The log in bounds, the output measured, the clock kept."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.container.limits import RunLimits
from evaluation.container.supervision import BoundedLog, Stop, Usage, supervise, usage


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 60))
def test_a_log_keeps_its_beginning_and_its_end_in_bounds(chunks: list[bytes], most: int) -> None:
    log = BoundedLog(most)
    for chunk in chunks:
        log.add(chunk)
    whole = b"".join(chunks)
    assert log.said == len(whole)
    if len(whole) <= most:
        assert (log.content, log.left_out) == (whole, 0)
        return
    head, tail = (most + 1) // 2, most // 2
    assert log.left_out == len(whole) - most
    assert log.content.startswith(whole[:head] + b"\n[... ")
    assert log.content.endswith(b" bytes left out ...]\n" + whole[len(whole) - tail :])


def test_output_is_measured_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a").write_bytes(bytes(100))
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(10**9)
    (tmp_path / "loop").symlink_to(tmp_path)
    link = len(os.readlink(tmp_path / "loop"))
    assert usage(tmp_path, RunLimits()) == Usage(100 + 10**9 + link, 4)


def test_room_beyond_the_size_of_a_file_counts(tmp_path: Path) -> None:
    reserve = ctypes.CDLL(None).fallocate
    reserve.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    with (tmp_path / "small").open("wb") as stream:
        stream.write(b"x")
        stream.flush()
        assert reserve(stream.fileno(), 1, 0, 10**6) == 0  # 1: the size stays
    assert 10**6 <= usage(tmp_path, RunLimits()).bytes < 10**6 + 10_000
    assert usage(tmp_path, RunLimits(output=10**6 - 1)).exceeds(RunLimits(output=10**6 - 1))


def test_measuring_ends_at_a_bound(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).write_bytes(bytes(10))
    assert usage(tmp_path, RunLimits(output=25)) == Usage(30, 3)
    assert usage(tmp_path, RunLimits(output_files=4)).files == 5


def start(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_clock_is_ours(tmp_path: Path) -> None:
    """The process would sleep for an hour; our clock says at its second look that the hour is over."""
    process = start("import time; print('here', flush=True); time.sleep(3600)")
    moments = iter([0.0, 3599.9, 3601.0])
    log = BoundedLog(1000)
    assert supervise(process, tmp_path, RunLimits(seconds=3600), log, process.kill, lambda: next(moments)) is Stop.TIME
    assert process.returncode == -9


def test_a_process_that_ends_is_waited_for_and_heard_out(tmp_path: Path) -> None:
    process = start("import sys; print('out'); sys.exit(5)")
    log = BoundedLog(1000)
    assert supervise(process, tmp_path, RunLimits(), log, process.kill) is Stop.EXITED
    assert (process.returncode, log.content) == (5, b"out\n")


def test_an_interrupted_runner_leaves_nothing_running(tmp_path: Path) -> None:
    process = start("import time; time.sleep(3600)")
    moments = iter([0.0, 0.0])

    def clock() -> float:
        try:
            return next(moments)
        except StopIteration:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt):
        supervise(process, tmp_path, RunLimits(), BoundedLog(10), process.kill, clock)
    assert process.returncode == -9
