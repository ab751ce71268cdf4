"""A process between the runner and what it starts: whatever happens to the runner, nothing of it runs on.

All that a command starts stays below the keeper (a "subreaper" of Linux), in sessions of its own, too. The keeper kills
it when the command ends, when it is told to (SIGTERM), and when the runner is gone, however that went.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from contest.children import end_with_parent
from evaluation.container.job import NOT_FOUND, SIGNAL_BASE

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
KILLING_SECONDS = 10.0
_ROOT = Path(__file__).parents[2]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from evaluation.container.keeper import main; main(sys.argv[2])"
_SIGNALS = frozenset((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """What is to be started: in a folder (None: the runner's), with an environment (None: the runner's).

    `file_bytes` bounds each file that it writes; `name` is what it is called where it can not be started.
    """

    arguments: Sequence[str]
    name: str
    folder: str | None = None
    environment: Mapping[str, str] | None = None
    file_bytes: int | None = None


def start_kept(command: KeptCommand) -> subprocess.Popen[bytes]:
    """Start a command below a keeper, its words in a pipe. The exit status is its own, 128 + number for a signal."""
    order = json.dumps({"parent": os.getpid(), **asdict(command)})
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _START, str(_ROOT), order],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def stop_kept(keeper: subprocess.Popen[bytes]) -> None:
    """End a keeper and all that is below it; one that has ended is fine."""
    if keeper.poll() is not None:
        return
    keeper.terminate()
    try:
        keeper.wait(2 * KILLING_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()


def main(order: str) -> NoReturn:
    """Run as a keeper."""
    told = json.loads(order)
    parent, command = told.pop("parent"), KeptCommand(**told)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # they are waited for, one at a time
    end_with_parent(parent, signal.SIGTERM)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os._exit(_run(command))


def _run(command: KeptCommand) -> int:
    keeper = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        end_with_parent(keeper)
        if command.file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (command.file_bytes, command.file_bytes))

    try:
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=prepare,  # there is one thread here
        )
    except OSError as error:
        os.write(1, f"{command.name}: {error.strerror}\n".encode(errors="backslashreplace"))
        return NOT_FOUND
    ended: dict[int, int] = {}
    while process.pid not in ended:
        if signal.sigwait(_SIGNALS) is signal.SIGTERM:
            break
        ended |= _reaped()
    _kill_all_below(ended)
    status = ended.get(process.pid, SIGNAL_BASE + signal.SIGKILL)
    return SIGNAL_BASE - status if status < 0 else status


def _reaped() -> dict[int, int]:
    """Exit statuses by process of those children that have ended; negative for a signal."""
    found: dict[int, int] = {}
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not process:
            return found
        found[process] = os.waitstatus_to_exitcode(status)


def _kill_all_below(ended: dict[int, int]) -> None:
    """Kill whatever is below this process until nothing is; a process in the kernel's hands is not waited for long."""
    end = time.monotonic() + KILLING_SECONDS
    while (left := _below(os.getpid())) and time.monotonic() < end:
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.01)
        ended |= _reaped()


def _below(ancestor: int) -> set[int]:
    """Processes that a process started, and that these started."""
    parents = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdecimal():
            try:
                told = Path("/proc", name, "stat").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(name)] = int(told.rpartition(b")")[2].split()[1])
    found: set[int] = set()
    layer = {ancestor}
    while layer:
        layer = {process for process, parent in parents.items() if parent in layer} - found
        found |= layer
    return found
