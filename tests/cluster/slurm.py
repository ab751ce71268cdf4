"""The cluster that docker/slurm/prove.sh has made: submits the templates as they stand, and pulls hosts' plugs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.passed import hang_seconds

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "docker" / "slurm"
NODES = ("n1", "n2", "n3", "n4")
PATIENCE_SECONDS = hang_seconds(2)
_FIELD = re.compile(r"(\w+)=(\S*)")
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}


@dataclass
class Patience:
    """How long is waited for one thing: seconds of a machine that has little else to do.

    A busy machine's count by what falls to each of those that want a processor, so that there the proof runs out of its
    own time, which says: slow. What waits in vain leaves the machine idle, and fails here.
    """

    left: float = PATIENCE_SECONDS
    _last: float = field(default_factory=time.monotonic)

    def wait(self, seconds: float) -> None:
        """Wait a little."""
        time.sleep(seconds)
        now = time.monotonic()
        self.left -= (now - self._last) / max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        self._last = now

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it."""
        return self.left <= 0


def until(happens: Callable[[], object], what: str, said: Callable[[], str] = lambda: "", pause: float = 0.25) -> None:
    """Wait until something has happened. Nobody is told of what Slurm does, so it is asked again and again."""
    patience = Patience()
    while not happens():
        assert not patience.is_over, f"{what}: not after {PATIENCE_SECONDS:g} s\n{said()}"
        patience.wait(pause)


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
    """Submit a template as it stands, GPUs and processors included, of which there are enough in Slurm's books."""
    told = subprocess.run(
        ["sbatch", "--parsable", "--export=ALL", *options, str(SCRIPTS / template), *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, check=False,
        env=submitting(FBC2=ROOT, PYTHON=sys.executable, **environment),
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return Job(told.stdout.strip(), folder)


def submitting(**environment: object) -> dict[str, str]:
    """An environment to submit in: in truth there are two processors or so, and each host has a disk of its own."""
    own = {name: str(value) for name, value in environment.items()}
    return {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": "/var/tmp", **own}


def signal_command(job: Job, task: int, module: str, number: signal.Signals) -> None:
    """Send a signal to the command of a task, `python -m <module>`, and to nothing else: its script hears none."""
    slurm = [f"SLURM_ARRAY_JOB_ID={job.number}", f"SLURM_ARRAY_TASK_ID={task}"]
    slurm.append(f"CLUSTER={os.environ['CLUSTER']}")  # another one may have a job of the same number
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        if command[1:3] == ["-m", module] and all(one in environment for one in slurm):
            os.kill(int(process.name), number)
            return
    raise AssertionError(f"{module} of task {task} does not run\n{job.said()}")


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
