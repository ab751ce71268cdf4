"""Forty submissions by the template of the queue, while hosts lose their power and workers are killed."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evaluation.__main__ import main as evaluation
from evaluation.container import attempts
from evaluation.queue.spool import COLLECTED, Spool
from evaluation.queue.status import status_of
from tests.cluster.slurm import PATIENCE_SECONDS, ROOT, Job, ask, pull_the_plug, submit, switch_on
from tests.evaluation.container.fakes import LIMITS, archive, write_test
from tests.evaluation.queue.test_processes import CRASH, GOOD, KILLS_WORKER, SLOW

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
        longest = 0.0
        end = time.monotonic() + PATIENCE_SECONDS
        try:
            while collector.poll() is None:
                assert time.monotonic() < end, f"{status_of(Spool(spool), LEASE).to_text()}\n{job.said()}"
                status = status_of(Spool(spool), LEASE)
                longest = max([longest, *(one.silent for one in status.jobs if one.state == "stuck" and one.silent)])
                troubles.happen(time.monotonic())
                time.sleep(0.5)
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
    # Nothing ran in two places at once, and a dead worker kept nothing: a lease, and the time between two looks.
    assert [path.name for path in (tmp_path / "seen").glob("*.twice")] == []
    assert longest < 1.5 * LEASE
