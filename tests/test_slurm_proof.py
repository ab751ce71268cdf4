"""How docker/slurm/prove.sh ends: what is the machine's failure (3, in a box), and what is ours (1). Without Slurm."""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.passed import pytest_runtest_logreport

ROOT = Path(__file__).parents[1]
BOX = "NOTHING RAN UNDER SLURM HERE, SO NOTHING WAS PROVEN"
TOOLS = ("bash", "cat", "chmod", "date", "dirname", "env", "kill", "ln", "mkdir", "mktemp", "rm", "sleep", "tail")
SLURM = ("slurmctld", "slurmd", "slurmstepd", "sbatch", "srun")
# Stands in for `timeout --kill-after=10 SECONDS COMMAND`, and for what is run by it.
TIMEOUT = """
shift 2
case "$*" in
    *pytest*)
        for test in $PASS; do echo "$test" >>"$PASSED"; done
        [ -z "$FAIL" ] || echo "$FAIL" >>"$FAILED"
        exit "$TESTS_END" ;;
    *apt-get*) echo "$APT_SAYS" >&2; [ "$APT_SAYS" != wait ] || exec sleep 60; exit 100 ;;
esac
"""
PYTHON = 'case "$2" in *torch*) exit "$LACKS_PACKAGES" ;; *) exec "$REAL_PYTHON" "$@" ;; esac'


@dataclass(frozen=True)
class Machine:
    """What happens there, how the proof ends, and a word of what it says."""

    what: str
    ends: int
    told: str
    user: int = 0
    namespaces: bool = True
    free: int = 10**8  # KiB
    slurm: bool = True
    apt: bool = True
    hosts: int = 4
    passing: str = ""  # tests that pass before
    failing: str = ""  # what fails after them
    tests_end: int = 0
    lacks_packages: int = 0
    limit: int = 60


MACHINES = (
    Machine("all is well", 0, "proven"),
    Machine("not root", 3, "only root can make hosts", user=1000),
    Machine("no namespaces", 3, "no host can be made: unshare: Operation not permitted", namespaces=False),
    Machine("a full disk", 3, "100 MB free; 2000 MB are needed", free=100_000),
    Machine("no Slurm, and no Debian", 3, "no apt-get to fetch it with", slurm=False, apt=False),
    Machine("no package index", 3, "can not be fetched: E: Unable to locate package slurmd", slurm=False),
    Machine("hosts that do not come up", 3, "the hosts do not come up", hosts=3, limit=2),
    Machine("a test that fails", 1, "running the templates", tests_end=1),
    Machine("no test at all", 1, "running the templates", tests_end=5),
    Machine("tests that take too long", 3, "no test was done in 60 s", tests_end=124),
    Machine("tests that have to be killed", 3, "no test was done in 60 s", tests_end=137),
    Machine("time for two tests", 3, "TIME RAN OUT AFTER 2 TESTS, WHICH PASSED", passing="one two", tests_end=124),
    Machine("a test that fails behind two", 1, "running the templates", passing="one two", tests_end=1),
    Machine("a failure, and then no end", 1, "two has failed", passing="one", failing="two has failed", tests_end=124),
    Machine("a Python without our packages", 1, "run `bash run.sh setup`", lacks_packages=1),
)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def begin(machine: Machine, tmp_path: Path, apt_says: str) -> subprocess.Popen[str]:
    commands, temporary = tmp_path / "bin", tmp_path / "temporary"
    commands.mkdir()
    temporary.mkdir()
    for tool in TOOLS:
        (commands / tool).symlink_to(shutil.which(tool) or "not there")
    script(commands / "id", f"echo {machine.user}")
    refusal = "echo 'unshare: Operation not permitted' >&2; exit 1"
    script(commands / "unshare", "exit 0" if machine.namespaces else refusal)
    script(commands / "df", f"echo avail; echo {machine.free}")
    script(commands / "setsid", 'case "$1" in timeout) exec "$@" ;; esac')  # a host is none here, and ends
    script(commands / "timeout", TIMEOUT)
    script(commands / "sinfo", f"echo {machine.hosts}")
    script(commands / "python", PYTHON)
    for command in SLURM if machine.slurm else ():
        script(commands / command, "echo slurm 22.05.8")
    for command in ("apt-get", "dpkg") if machine.apt else ():
        script(commands / command, "exit 0")
    return subprocess.Popen(
        [ROOT / "docker/slurm/prove.sh"],
        env={
            "PATH": str(commands), "PYTHON": "python", "REAL_PYTHON": sys.executable, "TMPDIR": str(temporary),
            "LIMIT": str(machine.limit), "TESTS_END": str(machine.tests_end), "PASS": machine.passing,
            "FAIL": machine.failing, "APT_SAYS": apt_says, "LACKS_PACKAGES": str(machine.lacks_packages),
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.what)
def test_a_failure_of_the_machine_is_told_apart_from_one_of_ours(machine: Machine, tmp_path: Path) -> None:
    proof = begin(machine, tmp_path, "E: Unable to locate package slurmd")
    said, errors = proof.communicate()
    assert proof.returncode == machine.ends, said + errors
    assert machine.told in said + errors
    assert (BOX in errors) == (machine.ends == 3 and not machine.passing)
    assert list((tmp_path / "temporary").iterdir()) == [], "nothing is left"


def test_a_signal_does_not_wait_for_packages(tmp_path: Path) -> None:
    with begin(Machine("a slow index", 143, "", slurm=False), tmp_path, "wait") as proof:
        while not list((tmp_path / "temporary").glob("*/apt.log")):
            assert proof.poll() is None
            time.sleep(0.02)
        proof.terminate()
        said, errors = proof.communicate(timeout=30)
    assert proof.returncode == 143, said + errors
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_passed_and_what_failed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PASSED", "FAILED"):
        monkeypatch.setenv(name, str(tmp_path / name))
    steps: tuple[tuple[Literal["setup", "call", "teardown"], Literal["passed", "failed", "skipped"], str], ...] = (
        ("setup", "passed", ""), ("call", "passed", ""), ("call", "skipped", "not here"), ("teardown", "failed", "why"),
    )  # fmt: skip
    for when, outcome, text in steps:
        report = pytest.TestReport(f"test of {when}", ("a.py", 1, ""), {}, outcome, text or None, when)
        pytest_runtest_logreport(report)
    assert (tmp_path / "PASSED").read_text() == "test of call\n"
    assert (tmp_path / "FAILED").read_text() == "FAILED test of teardown (teardown)\nwhy\n"
