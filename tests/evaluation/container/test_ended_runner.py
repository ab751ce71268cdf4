"""However the runner ends, nothing of a submission runs on, nothing lies about, and no attempt stays running."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from evaluation.container.identity import is_gone, this_process
from evaluation.container.judging import judged
from evaluation.container.keeper import KeptCommand, start_kept, stop_kept
from tests.evaluation.container.ended_runners import ROOT, end_runners, until


def runs(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False


def test_a_signal_ends_the_submission_too(tmp_path: Path) -> None:
    """The other signals are those of tests/container, where the machine is not shared with a thousand tests."""
    ended = end_runners("process", "fake:1", tmp_path, (signal.SIGTERM, signal.SIGKILL))
    assert [(one.number.name, one.status) for one in ended] == [("SIGTERM", 143), ("SIGKILL", -9)]
    for one in ended:
        assert len(one.processes) == 2
        until(lambda: not any(map(runs, one.processes)), "the submission ends")  # noqa: B023 - called now
        assert list(one.result.iterdir()) == []
        assert one.attempt == "dropped"
        assert one.number is signal.SIGKILL or "terminated; nothing runs on, and this run has no verdict" in one.said


FAMILY = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'], start_new_session=True)\n"
    "print(child.pid, flush=True)\n"
)


def kept(program: str) -> subprocess.Popen[bytes]:
    return start_kept(KeptCommand([sys.executable, "-c", program], "it"))


def test_what_a_command_left_behind_ends_with_it() -> None:
    keeper = kept(FAMILY + "sys.exit(7)")
    said, _ = keeper.communicate(timeout=600)
    assert keeper.returncode == 7
    assert not runs(int(said))


def test_what_a_command_started_ends_when_it_is_stopped() -> None:
    keeper = kept(FAMILY + "time.sleep(1000)")
    assert keeper.stdout is not None
    child = int(keeper.stdout.readline())
    stop_kept(keeper)
    assert (keeper.returncode, runs(child)) == (128 + signal.SIGKILL, False)
    keeper.stdout.close()


def test_a_status_is_the_commands_own() -> None:
    for program, status in (("import sys; sys.exit(254)", 254), ("import os; os.kill(os.getpid(), 11)", 128 + 11)):
        keeper = kept(program)
        keeper.communicate(timeout=600)
        assert keeper.returncode == status
    missing = start_kept(KeptCommand(["./no-such-program"], "no program"))
    assert missing.communicate(timeout=600)[0] == b"no program: No such file or directory\n"
    assert missing.returncode == 127


def test_a_process_is_known_to_be_gone_or_not() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    boot, namespace, _, start = this_process().split("/")
    assert not is_gone(this_process())
    assert is_gone(f"{boot}/{namespace}/{os.getpid()}/{int(start) + 1}")  # its number was given away again
    assert not is_gone(f"{boot}/1/{other.pid}/1")
    assert not is_gone(f"of another boot/{namespace}/{other.pid}/1")
    other.communicate(b"\n")
    assert is_gone(f"{boot}/{namespace}/{other.pid}/1")


def test_what_waits_for_a_killed_runner_needs_no_torch() -> None:
    """It is started for every run, and has its work done before anybody looks."""
    for module in ("aftermath", "keeper", "checking"):
        program = f"import sys, evaluation.container.{module}; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0, module


def test_the_checker_answers_questions() -> None:
    found = judged(
        "evaluation.container.checking", {"input": str(ROOT / "demo/input.json"), "output": "no such folder"}, 100
    )
    assert [problem.partition("]")[0] for problem in found["problems"]] == ["[FILE_MISSING"]
    assert found["hint"] is None
