"""The cluster that docker/slurm/prove.sh has made: submits the templates as they stand, and pulls hosts' plugs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "docker" / "slurm"
NODES = ("n1", "n2", "n3", "n4")
PATIENCE_SECONDS = float(os.environ.get("LIMIT", "360")) / 2
_FIELD = re.compile(r"(\w+)=(\S*)")
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}


def until(happens: Callable[[], object], what: str, said: Callable[[], str] = lambda: "") -> None:
    """Wait until something has happened. Nobody is told of what Slurm does, so it is asked again and again."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not happens():
        assert time.monotonic() < end, f"{what}: not after {PATIENCE_SECONDS:g} s\n{said()}"
        time.sleep(0.25)


def ask(*command: str | Path) -> str:
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Task:
    """One task of a job: its state in Slurm's words, exit status, times that it was queued again, and nodes."""

    name: str
    state: str
    status: str
    restarts: int
    nodes: str


@dataclass(frozen=True)
class Job:
    """A job, and the folder with what its tasks have written."""

    number: str
    folder: Path

    def tasks(self) -> list[Task]:
        """What Slurm knows of its tasks; those of an array that wait together are one."""
        found = []
        for line in ask("scontrol", "--oneliner", "show", "job", self.number).splitlines():
            told = dict(_FIELD.findall(line))
            name = f"{told['ArrayJobId']}_{told['ArrayTaskId']}" if "ArrayTaskId" in told else told["JobId"]
            nodes = told.get("NodeList", "")
            found.append(Task(name, told["JobState"], told["ExitCode"], int(told["Restarts"]), nodes))
        return found

    def said(self) -> str:
        """All that its tasks have said."""
        paths = sorted(self.folder.glob(f"slurm-{self.number}*.out"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}" for path in paths)

    def has_ended(self) -> bool:
        """Whether all its tasks have."""
        return all(task.state in _ENDED for task in self.tasks())

    def wait(self) -> list[Task]:
        """Wait until all tasks have ended."""

        def said() -> str:
            return f"{self.tasks()}\n{ask('sinfo', '--Node', '--long')}\n{self.said()}"

        until(self.has_ended, f"job {self.number} ends", said)
        return self.tasks()

    def require_done(self) -> list[Task]:
        """Wait until all tasks have ended, and all well."""
        tasks = self.wait()
        assert all((task.state, task.status) == ("COMPLETED", "0:0") for task in tasks), f"{tasks}\n{self.said()}"
        return tasks

    def running(self, task: int) -> str:
        """Wait until a task runs; return its node."""
        mine = f"{self.number}_{task}"

        def nodes() -> list[str]:
            return [one.nodes for one in self.tasks() if one.name == mine and one.state == "RUNNING"]

        until(nodes, f"task {mine} runs")
        return nodes()[0]


def submit(
    template: str, folder: Path, *arguments: object, options: tuple[str, ...] = (), **environment: object
) -> Job:
    """Submit a template. The cluster has no GPUs, and two processors or so in truth: that alone is asked otherwise."""
    command = ["sbatch", "--parsable", "--export=ALL", "--gres=none", "--cpus-per-task=1", *options]
    told = subprocess.run(
        [*command, str(SCRIPTS / template), *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False,
        env={
            **os.environ, "FBC2": str(ROOT), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "TMPDIR": "/var/tmp",
            **{name: str(value) for name, value in environment.items()},
        },
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return Job(told.stdout.strip(), folder)


def pull_the_plug(node: str) -> None:
    """End a host: nothing on it gets to say a word. Its disk stays as it is."""
    process = _process(node)
    os.kill(process, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{process}").exists() or _is_zombie(process), f"{node} is gone")


def switch_on(node: str) -> subprocess.Popen[bytes]:
    """Start a host again; the process that is it."""
    started = subprocess.Popen([SCRIPTS / "host.sh", node], stdin=subprocess.DEVNULL)
    until(lambda: _process(node) == started.pid, f"{node} starts")
    return started


def _process(node: str) -> int:
    text = (Path(os.environ["CLUSTER"]) / "hosts" / node / "pid").read_text()
    return int(text) if text.strip() else 0


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def idle_nodes() -> set[str]:
    return set(ask("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N").split())
