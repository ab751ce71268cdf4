"""What submissions try on the host: its disk, its folders, its patience, and the runner's end. In real containers."""

import json
import os
import signal
import stat
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from contest.limits import MAX_PREDICTIONS_BYTES_A_SAMPLE, PREDICTIONS_FREE_BYTES
from evaluation.container import container_engine, output_volume
from evaluation.container.container_engine import ContainerEngine
from evaluation.container.output_volume import NoVolumeError
from evaluation.container.verdict import Fault
from tests.evaluation.container.ended_runners import end_runners
from tests.evaluation.container.fakes import ANSWER, Fake, run_fake, said

pytestmark = pytest.mark.docker

MEGABYTE = 10**6
FALLOCATE = """
import ctypes
call = ctypes.CDLL(None).fallocate
call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
for number in range(12):  # 1: the file's size stays what it was
    call(os.open(f"output/{number}", os.O_CREAT | os.O_WRONLY), 1, 0, 50_000_000)
"""
REMOVED = """
kept = []
try:
    while True:
        kept.append(open("output/big", "wb", buffering=0))
        os.unlink("output/big")
        while kept[-1].tell() < 30_000_000:
            kept[-1].write(bytes(1_000_000))
except OSError as error:
    print("refused at", len(kept), os.strerror(error.errno), flush=True)
"""
SPECIAL = """
import socket
open("output/program", "w").write("x"); os.chmod("output/program", 0o6755)
os.link("output/program", "output/same")
os.mkdir("output/folder"); os.chmod("output/folder", 0o3777)
open("output/folder/hidden", "w").write("x"); os.chmod("output/folder/hidden", 0)
"""
PIPES = "import socket; os.mkfifo('output/pipe'); socket.socket(socket.AF_UNIX).bind('output/socket')\n"


def modes(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Mode, owner and number of names of all that lies in a folder, by its path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (stat.filemode(status.st_mode), status.st_uid, status.st_nlink)
    return found


def names_left() -> tuple[str, ...]:
    """Containers and volumes of ours, and mounts that are ours."""
    marked = "--filter=label=fbc2.runner"
    commands = (["docker", "ps", "--all", "--quiet", marked], ["docker", "volume", "ls", "--quiet", marked])
    left = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return (*left, *(line for line in mounts if "/run/submission" in line))


def test_disk_blocks_count(engine: ContainerEngine, submission_image: str, tmp_path: Path) -> None:
    fake = Fake("", ANSWER + FALLOCATE + "write()", Fault.OUTPUT, limits={"output": 100 * MEGABYTE})
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    # It may meet the full file system, and end by that, before the runner has looked.
    assert (verdict.fault, set(verdict.remarks) - {"the submission ended with status 1"}) == (Fault.OUTPUT, set())
    assert sum(path.stat().st_blocks for path in (tmp_path / "result/output").iterdir()) * 512 < MEGABYTE


def test_files_that_were_removed_and_are_open_are_bounded(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    """The file system of the output is full before the second hundred megabytes: the host's has lost no more."""
    fake = Fake("", ANSWER + REMOVED + "time.sleep(20); write()", Fault.OUTPUT, limits={"output": 100 * MEGABYTE})
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    assert (verdict.fault, verdict.remarks) == (Fault.OUTPUT, ())
    log = (tmp_path / "result/log.txt").read_text()
    assert log in ("", "refused at 5 No space left on device\n", "refused at 6 No space left on device\n")


def test_unbounded_output_is_counted(
    engine: ContainerEngine, submission_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise NoVolumeError("only root can mount")

    monkeypatch.setattr(container_engine, "make_output_volume", refuse)
    fake = Fake("", ANSWER + FALLOCATE + "write()", Fault.OUTPUT, limits={"output": 100 * MEGABYTE})
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    assert verdict.fault is Fault.OUTPUT
    assert verdict.remarks == ("the output is counted and not bounded: only root can mount",)


def test_what_gives_privileges_or_is_no_file_does_not_stay(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    verdict = run_fake(Fake("", ANSWER + SPECIAL + "write()", Fault.NONE), engine, submission_image, tmp_path)
    assert verdict.fault is Fault.NONE, said(verdict)
    plain, folder = ("-rw-r--r--", 0, 1), ("drwxr-xr-x", 0, 2)
    assert modes(tmp_path / "result/output") == {
        "folder": folder,
        "folder/hidden": plain,
        "predictions.json": plain,
        "program": plain,
        "same": plain,
    }


def test_pipes_and_sockets_do_not_stay(engine: ContainerEngine, submission_image: str, tmp_path: Path) -> None:
    verdict = run_fake(Fake("", ANSWER + PIPES + "write()", Fault.FORMAT), engine, submission_image, tmp_path)
    assert verdict.problems == ("output/pipe is no plain file", "output/socket is no plain file")
    assert list(modes(tmp_path / "result/output")) == ["predictions.json"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A host's disk of 100 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_of_the_host_is_the_hosts_fault(
    engine: ContainerEngine, submission_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is small in the runner's eyes alone: an engine does not see what is mounted after it started."""
    monkeypatch.setattr(output_volume.shutil, "disk_usage", lambda _path: SimpleNamespace(free=60 * 2**20))
    program = ANSWER + "write()\nopen('output/big', 'wb', buffering=0).write(bytes(30_000_000))\ntime.sleep(1)"
    verdict = run_fake(Fake("", program, Fault.HOST), engine, submission_image, tmp_path)
    assert (verdict.fault, verdict.counts) == (Fault.HOST, False)
    assert "disk was full" in said(verdict)
    assert (tmp_path / "result/verdict.txt").read_text().startswith("verdict: host")
    assert (tmp_path / "result/bundle/verdict.txt").read_text().startswith("verdict: host")


def test_full_disk_before_the_run(engine: ContainerEngine, submission_image: str, small_disk: Path) -> None:
    (small_disk / "others").write_bytes(bytes(98 * 2**20))
    verdict = run_fake(Fake("", ANSWER + "write()", Fault.HOST), engine, submission_image, small_disk)
    assert verdict.fault is Fault.HOST
    assert "the organisers' disk is full" in said(verdict)
    assert (small_disk / "result/verdict.txt").read_text().startswith("verdict: host")


def test_a_runner_that_is_ended_leaves_nothing(submission_image: str, tmp_path: Path) -> None:
    ended = end_runners("docker", submission_image, tmp_path)
    assert [(one.number.name, one.status, one.attempt, os.listdir(one.result)) for one in ended] == [
        ("SIGTERM", 143, "dropped", []),
        ("SIGINT", 130, "dropped", []),
        ("SIGHUP", 129, "dropped", []),
        ("SIGKILL", -signal.SIGKILL, "dropped", []),
    ]
    assert names_left() == ("", "")


def test_what_dead_runners_left_is_removed_by_the_next(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    gone = subprocess.run(
        ["python3", "-c", "from evaluation.container.identity import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    left = ["docker", "run", "--detach", "--network=none", "--entrypoint=sleep"]
    dead = ["--label=fbc2.work=/gone", f"--label=fbc2.runner={gone}", "--label=fbc2.end=99999999999"]
    late = ["--label=fbc2.work=/late", "--label=fbc2.runner=elsewhere/1/1/1", "--label=fbc2.end=1"]
    others = ["--label=fbc2.work=/others", "--label=fbc2.runner=elsewhere/1/1/1", "--label=fbc2.end=99999999999"]
    for marks in (dead, late, others):
        subprocess.run([*left, *marks, submission_image, "1000"], check=True, capture_output=True)
    verdict = run_fake(Fake("", ANSWER + "write()", Fault.NONE), engine, submission_image, tmp_path)
    assert verdict.remarks == ("2 containers of runners that are gone were removed first",)
    (other,) = names_left()[0].split()
    subprocess.run(["docker", "rm", "--force", other], check=True, capture_output=True)


def test_a_status_that_is_no_signal_is_told_as_a_status(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    verdict = run_fake(Fake("", "import sys; sys.exit(254)", Fault.CRASH), engine, submission_image, tmp_path)
    assert verdict.remarks == ("the submission ended with status 254",)


def test_container_not_made_names_the_reason(engine: ContainerEngine, submission_image: str, tmp_path: Path) -> None:
    verdict = run_fake(Fake("", "", Fault.HOST, limits={"memory": 1000}), engine, submission_image, tmp_path)
    assert verdict.fault is Fault.HOST
    assert verdict.problems[0].startswith("the container was not made: Minimum memory limit")


def test_signs_that_a_terminal_obeys_are_text_in_logs(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    program = ANSWER + "write(); print('\\x1b[2J\\u202e', 'да', flush=True); os.write(1, b'\\x9b\\xff\\n')"
    run_fake(Fake("", program, Fault.NONE), engine, submission_image, tmp_path)
    for name in ("log.txt", "bundle/log.txt"):
        assert (tmp_path / "result" / name).read_text("utf-8") == "\\x1b[2J\\u202e да\n\ufffd\ufffd\n"


def png(width: int, height: int) -> str:
    """Program text for a black picture that takes a few kilobytes, and seconds to decode many of."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return repr(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def test_pictures_without_end_get_a_verdict(engine: ContainerEngine, submission_image: str, tmp_path: Path) -> None:
    program = ANSWER + (
        f"picture = {png(8000, 9000)}\nos.mkdir('output/images')\n"
        "for n in range(90): open(f'output/images/{n}.png', 'wb').write(picture)\n"
        "write({**answers, '0': [{'type': 'image', 'content': f'images/{n}.png'} for n in range(90)]})"
    )
    fake = Fake("", program, Fault.FORMAT, limits={"checking": 1, "output": 10**9})
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    assert verdict.fault is Fault.FORMAT
    assert "looking through the predictions and their pictures was not done after 1 s" in said(verdict)


def test_predictions_far_larger_than_answers_are_not_read(
    engine: ContainerEngine, submission_image: str, tmp_path: Path
) -> None:
    program = ANSWER + (
        'item = \'{"type": "text", "content": ""}, \'\n'
        "open('output/predictions.json', 'w').write('{\"1\": [], \"0\": [' + item * 6_000_000 + '{}]}')"
    )
    fake = Fake("", program, Fault.FORMAT, limits={"output": 10**9, "memory": 2 * 10**9})
    verdict = run_fake(fake, engine, submission_image, tmp_path)
    assert f"at most {PREDICTIONS_FREE_BYTES + 2 * MAX_PREDICTIONS_BYTES_A_SAMPLE} are read" in said(verdict)


def test_attempt_without_weights_is_warned_of(engine: ContainerEngine, submission_image: str, tmp_path: Path) -> None:
    report = {"ended": "failed", "error": "weights/rudolph: 3 tensors are missing \x1b[2J"}
    program = ANSWER + f"write(); open('output/run.json', 'w').write({json.dumps(report)!r}); sys.exit(2)"
    verdict = run_fake(Fake("", program, Fault.NONE), engine, submission_image, tmp_path)
    assert verdict.counts
    assert verdict.warnings == (
        "the attempt counts, but the submission may have answered nothing itself: it ended with status 2 and its "
        "run.json says that it failed (weights/rudolph: 3 tensors are missing \\x1b[2J). Are its predictions "
        "fallbacks, because its weights could not be loaded? The end of the log tells",
    )
    text = (tmp_path / "result/bundle/verdict.txt").read_text()
    assert text.splitlines()[2].startswith("WARNING: the attempt counts, but")
