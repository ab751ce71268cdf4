"""Forty submissions by the template of the queue, while hosts lose their power and workers are killed."""

import json
import math
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evaluation.__main__ import main as evaluation
from evaluation.commands.queue import pause_between_looks
from evaluation.container import attempts
from evaluation.queue.lease import read_beat
from evaluation.queue.spool import COLLECTED, COLLECTOR_NAME, RUNNING, JobPlace, Spool
from evaluation.queue.status import status_of
from evaluation.queue.worker import scratch_folder
from tests.cluster.slurm import NODES, ROOT, Job, Patience, ask, pull_the_plug, submit, switch_on, until
from tests.evaluation.container.fakes import LIMITS, archive, write_test
from tests.evaluation.queue.test_processes import CRASH, DOCKER, GOOD, KILLS_WORKER, SLOW

pytestmark = pytest.mark.slurm
LEASE = 10.0
PROGRAMS = {"good": GOOD, "slow": SLOW, "crash": CRASH}
TEAMS = 13
# Says so if the same submission runs somewhere else at this moment: the system lets go of the lock when it is killed.
ALONE = """
import fcntl
held = open({path!r} + ".lock", "w")
try:
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    open({path!r} + ".twice", "w").close()
"""


def fill(folder: Path, spool: Path) -> None:
    """Three submissions each of thirteen teams, and one that kills whoever runs it."""
    (folder / "seen").mkdir()
    teams = {f"team{number}": PROGRAMS for number in range(TEAMS)}
    for team, programs in {**teams, "killers": {"killer": KILLS_WORKER}}.items():
        paths = []
        for name, program in programs.items():
            whole = ALONE.format(path=str(folder / "seen" / f"{team}_{name}")) + program
            paths.append(str(archive(folder / f"{team}_{name}.zip", {"run.py": whole}, image="team/image:1")))
        assert evaluation(["queue", "add", "--spool", str(spool), "--team", team, *paths]) == 0


@dataclass
class Troubles:
    """What befalls the workers, in an order that is drawn: two hosts lose their power, two tasks run out of time."""

    job: Job
    chance: random.Random
    left: list[str] = field(init=False)
    dark: dict[str, float] = field(default_factory=dict)
    hosts: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = ["power", "time", "power", "time"]
        self.chance.shuffle(self.left)

    def happen(self, now: float) -> None:
        """Perhaps do the next, if somebody works; a host comes back after a lease and a half."""
        for node in [node for node, since in self.dark.items() if now - since > 1.5 * LEASE]:
            del self.dark[node]
            self.hosts.append(switch_on(node))
        running = [task for task in self.job.tasks() if task.state == "RUNNING"]
        if not self.left or self.dark or len(running) < 2 or self.chance.random() > 0.25:
            return
        task = self.chance.choice(running)
        if self.left.pop() == "power":
            pull_the_plug(task.nodes)
            self.dark[task.nodes] = now
        else:
            ask("scancel", "--batch", "--signal=TERM", task.name)

    def end(self) -> None:
        """All hosts are up again."""
        for node in self.dark:
            self.hosts.append(switch_on(node))


@dataclass
class Overdue:
    """How many looks of the collector a claim has outlived since its last sign of life.

    Looks are counted, not seconds: on a slow machine each takes longer, and lies further from the next. The one that is
    going on when a sign of life is written may not see it. By the next one's clock a lease is over so many looks later
    as its pauses are together as long as the lease: that one lets go of the claim.
    """

    spool: Spool
    looks: int = 0
    most: int = 0
    _seen: dict[JobPlace, tuple[bytes, int]] = field(default_factory=dict)

    @property
    def allowed(self) -> int:
        """Looks that have begun and ended while a claim was silent: one more, and it must be gone."""
        return math.ceil(LEASE / pause_between_looks(LEASE)) + 1

    def look(self) -> None:
        """Look at all claims once. Fails for one that is overdue."""
        told = self._looks()  # before the claims: what is there now was there after all of these
        for claim in self.spool.places(RUNNING):
            beat = read_beat(self.spool.beat(claim))
            if claim not in self._seen or self._seen[claim][0] != beat:
                self._seen[claim] = beat, self._looks()  # after the sign of life: all of these may have missed it
            self.most = max(self.most, told - self._seen[claim][1])
            assert self.most <= self.allowed, f"{claim.name}: {beat!r} was its last sign of life, {self.most} looks ago"

    def _looks(self) -> int:
        with suppress(FileNotFoundError, ValueError):  # it has not looked yet, or is done, or is just writing
            self.looks = json.loads((self.spool.folder / COLLECTOR_NAME).read_text())["looks"]
        return self.looks


def test_nothing_is_lost_run_twice_or_stuck(tmp_path: Path) -> None:
    spool, register = tmp_path / "spool", tmp_path / "attempts.db"
    write_test(tmp_path / "test")
    (tmp_path / "limits.json").write_text(json.dumps({**LIMITS, "seconds": 60}))
    fill(tmp_path, spool)
    options = ("--engine", "process", "--limits", tmp_path / "limits.json", "--lease", LEASE)
    job = submit("queue.sbatch", tmp_path, *options, SPOOL=spool, INPUT=tmp_path / "test")
    troubles = Troubles(job, random.Random(int(os.environ.get("SEED", "0"))))
    with (tmp_path / "collect.log").open("wb") as log:
        collecting = [sys.executable, "-m", "evaluation", "queue", "collect", "--follow"]
        collector = subprocess.Popen(
            [*collecting, "--spool", spool, "--db", register], cwd=ROOT, stdout=log, stderr=log
        )
        overdue = Overdue(Spool(spool))
        patience = Patience()
        try:
            while collector.poll() is None:
                assert not patience.is_over, f"{status_of(Spool(spool), LEASE).to_text()}\n{job.said()}"
                overdue.look()
                troubles.happen(time.monotonic())
                patience.wait(0.5)
        finally:
            collector.kill()
            collector.wait()
    troubles.end()
    assert collector.returncode == 0, (tmp_path / "collect.log").read_text()
    job.require_done()
    assert troubles.left == [], "all of it happened"
    # Nothing is lost, and each has one verdict, which is that of its program.
    count = 3 * TEAMS + 1
    assert len(Spool(spool).places()) == len(Spool(spool).places(COLLECTED)) == count
    faults = Counter(attempt.fault for attempt in attempts.read(register))
    assert faults == {"none": 2 * TEAMS, "crash": TEAMS, "host": 1}
    results = [path.name.partition("~")[0] for path in (spool / "results").iterdir() if path.name[0] != "."]
    assert sorted(results) == sorted({place.id for place in Spool(spool).places()})
    # Nothing ran in two places at once; that a dead worker kept nothing, `overdue` has watched.
    assert [path.name for path in (tmp_path / "seen").glob("*.twice")] == []
    assert overdue.most >= LEASE / pause_between_looks(LEASE), "it saw a lease end"
    # What dead workers left on their hosts' disks, the next one there removes.
    disks = [Path(os.environ["CLUSTER"]) / "hosts" / node / "disk" for node in NODES]
    for disk in disks:
        with scratch_folder(disk):
            pass
    assert [path for disk in disks for path in disk.glob("fbc2-queue-*")] == []


def test_runs_get_the_devices_that_slurm_gives_their_tasks(tmp_path: Path) -> None:
    """Two workers on one host, three of whose GPUs somebody else has; a stand-in for docker notes what it is asked."""
    spool, tools = tmp_path / "spool", tmp_path / "bin"
    write_test(tmp_path / "test")
    (tmp_path / "limits.json").write_text(json.dumps({**LIMITS, "gpus": 1}))
    tools.mkdir()
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    for team in ("red", "blue"):
        path = archive(tmp_path / f"{team}.zip", {"run.py": GOOD}, image="team/image:1")
        assert evaluation(["queue", "add", "--spool", str(spool), "--team", team, str(path)]) == 0
    told = ask(
        "sbatch", "--parsable", "--nodelist=n1", "--gres=gpu:3", f"--output={tmp_path}/other.out", "--wrap=sleep 600"
    )
    other = Job(told.strip(), tmp_path)
    until(lambda: other.tasks()[0].state == "RUNNING", "somebody else has three GPUs")
    job = submit(
        "queue.sbatch", tmp_path, "--limits", tmp_path / "limits.json", "--runs-per-host", 2,
        options=("--array=0-1", "--nodelist=n1"), SPOOL=spool, INPUT=tmp_path / "test", PLACE=tools,
        PATH=f"{tools}:{os.environ['PATH']}",
    )  # fmt: skip
    job.require_done()
    ask("scancel", other.number)
    asked = [path.read_text().splitlines() for path in tools.glob("asked.*")]
    gpus = sorted(word for words in asked for word in words if word.startswith("--gpus"))
    assert gpus == ['--gpus="device=3"', '--gpus="device=4"']
