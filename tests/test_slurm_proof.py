"""How docker/slurm/prove.sh ends: what is the machine's failure (3, in a box), and what is ours (1). Without Slurm."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BOX = "NOTHING RAN UNDER SLURM HERE, SO NOTHING WAS PROVEN"
TOOLS = ("bash", "cat", "chmod", "date", "dirname", "env", "kill", "ln", "mkdir", "mktemp", "rm", "sleep", "tail")
SLURM = ("slurmctld", "slurmd", "slurmstepd", "sbatch", "srun")
# Stands in for `timeout --kill-after=10 SECONDS COMMAND`, and for what is run by it.
TIMEOUT = """
shift 2
case "$*" in
    *pytest*) for test in $PASS; do echo "$test" >>"$PASSED"; done; exit "$TESTS_END" ;;
    *apt-get*) echo "$APT_SAYS" >&2; exit 100 ;;
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
    Machine("a Python without our packages", 1, "run `bash run.sh setup`", lacks_packages=1),
)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.what)
def test_a_failure_of_the_machine_is_told_apart_from_one_of_ours(machine: Machine, tmp_path: Path) -> None:
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
    done = subprocess.run(
        [ROOT / "docker/slurm/prove.sh"],
        env={
            "PATH": str(commands), "PYTHON": "python", "REAL_PYTHON": sys.executable, "TMPDIR": str(temporary),
            "LIMIT": str(machine.limit), "TESTS_END": str(machine.tests_end), "PASS": machine.passing,
            "APT_SAYS": "E: Unable to locate package slurmd", "LACKS_PACKAGES": str(machine.lacks_packages),
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == machine.ends, done.stdout + done.stderr
    assert machine.told in done.stdout + done.stderr
    assert (BOX in done.stderr) == (machine.ends == 3 and not machine.passing)
    assert list(temporary.iterdir()) == [], "nothing is left"
