"""How data_prep ends when it is stopped or killed: with a status and a line, and with no process left that runs on."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.data_prep.conversions import write_lines
from tests.data_prep.test_pipeline import question

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds, on a machine that has other things to do


def members(group):
    """Command lines of the processes of a group that run, by process number."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(pgrp) == group and state not in "ZX":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):  # it ended meanwhile
                continue
    return found


def wait_for(condition):
    """Ask again and again until it is so; fail if it never is."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def workers(group):
    return [line for line in members(group).values() if "spawn_main" in line]


@pytest.fixture
def converting(tmp_path):
    """A conversion by three processes that waits for more of its input, its workers started."""
    rows = write_lines(tmp_path / "rows.jsonl", [question(i) for i in range(256 * 6)]).read_bytes()
    os.mkfifo(tmp_path / "pipe.jsonl")
    command = [sys.executable, "-m", "data_prep", "sberquad", tmp_path / "pipe.jsonl", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--output", tmp_path / "out"], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    with open(tmp_path / "pipe.jsonl", "wb") as stream:
        stream.write(rows)
        stream.flush()
        yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("count", [1, 2])  # while the first worker starts, and when all of them work
def test_nothing_runs_on_when_a_conversion_is_killed(converting, count):
    wait_for(lambda: len(workers(converting.pid)) >= count)
    converting.kill()
    converting.wait()
    wait_for(lambda: not members(converting.pid))


@pytest.mark.parametrize(
    ("send", "status", "word"),
    [
        (lambda process: process.terminate(), 143, "terminated"),
        (lambda process: os.killpg(process.pid, signal.SIGINT), 130, "interrupted"),  # as a terminal does for Ctrl-C
    ],
)
def test_stopped_conversion_ends_its_workers(converting, send, status, word):
    wait_for(lambda: len(workers(converting.pid)) == 2)
    send(converting)
    assert converting.wait(PATIENCE) == status
    assert converting.stderr.read().splitlines() == [f"data_prep sberquad: {word}; the same command goes on from here"]
    wait_for(lambda: not members(converting.pid))


def test_killed_worker_ends_the_conversion(tmp_path):
    write_lines(tmp_path / "rows.jsonl", [question(i) for i in range(256 * 400)])
    command = [sys.executable, "-m", "data_prep", "sberquad", tmp_path / "rows.jsonl", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--output", tmp_path / "out"], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: len(workers(process.pid)) == 2)
    os.kill(max(number for number, line in members(process.pid).items() if "spawn_main" in line), signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors == (
        "data_prep sberquad: error [WORKER_KILLED] a worker process was killed (out of memory?); start again to go on\n"
    )
    wait_for(lambda: not members(process.pid))


def test_stopped_synthetic_world_says_that_it_does_not_go_on(tmp_path):
    command = [sys.executable, "-m", "data_prep", "synthetic", "--train", "1000000", "--output", tmp_path / "world"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "world").exists)
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert errors == (
        "data_prep synthetic: terminated; a share goes on from here; else empty the directory, or name another, "
        "before it is started again\n"
    )


@pytest.mark.parametrize(
    "where", ["2>/dev/full", *(pytest.param(it, marks=pytest.mark.slow) for it in (">/dev/full", "2>&-")), ">&- 2>&-"]
)
def test_words_that_can_not_be_said_cost_no_sample(tmp_path, where):
    write_lines(tmp_path / "rows.jsonl", [{"id": 1}, question(1)])
    command = f'"{sys.executable}" -m data_prep sberquad "{tmp_path}/rows.jsonl" --output "{tmp_path}/out" {where}'
    ended = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 1  # of the broken record
    assert (tmp_path / "out" / "textqa" / "card.md").exists()


def test_in_a_terminal_no_line_overwrites_another(tmp_path):
    write_lines(tmp_path / "rows.jsonl", [{"id": 1}, question(1)])
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "data_prep", "sberquad", tmp_path / "rows.jsonl", "--output", tmp_path / "out"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal is closed by its last user
        while part := os.read(ours, 1 << 16):
            said += part
    os.close(ours)
    assert process.wait() == 1
    # What a terminal shows: a carriage return begins the line anew, and what is written covers what was there.
    lines = []
    for line in said.decode().split("\n"):
        shown = ""
        for part in line.rstrip("\r").split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    assert lines[0].startswith("data_prep: [FIELD_MISSING]")
    assert lines[1].startswith("2 records [")
    assert lines[2] == "read 2, used 1, skipped 1 (FIELD_MISSING 1)"
