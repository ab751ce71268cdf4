"""How docker/ci.sh ends: what is the machine's failure (3, in a box), and what is ours (1). Told without an engine."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BOX = "NO CONTAINER WAS TESTED HERE, SO NOTHING WAS PROVEN"
TOOLS = ("bash", "sh", "env", "cat", "chmod", "date", "dirname", "mkdir", "mktemp", "rm", "sleep", "tail", "seq", "mv")
# Stands in for `timeout --kill-after=10 SECONDS COMMAND`: what matches $HANGS never ends, what matches $FAILS fails.
TIMEOUT = """
[ "$2" -gt 0 ] || { echo "timeout $2 bounds nothing" >&2; exit 1; }
shift 2
case "$*" in *pytest*) for test in $PASS; do echo "$test" >>"$PASSED"; done ;; esac
case "$*" in $HANGS) exit 124 ;; $FAILS) echo "${SAYS:-said nothing}" >&2; exit "${STATUS:-1}" ;; esac
case "$1" in docker | flock | unshare | */build.sh) echo "overlay2 /" ;; *) exec "$@" ;; esac
"""
PYTHON = """
case "$2" in
    pip | pytest) echo "$*" ;;
    *) exec "$REAL_PYTHON" "$@" ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """What happens there. `fails`, `hangs`: shell patterns of commands; `says`, `status`: those of the failing."""

    what: str
    ends: int
    told: str
    fails: str = "-"
    hangs: str = "-"
    says: str = ""
    status: int = 1
    passing: str = ""  # tests that pass before
    user: int = 0
    free: int = 10**8  # KiB
    dockerd: str | None = "sleep 1000"
    limit: int = 60


NO_IMAGE = "docker image inspect*|docker pull*"
BUILD = "*/build.sh submission*"
MACHINES = (
    Machine("all is well", 0, "proven"),
    Machine("no engine, and not root", 3, "only root can start it", fails="docker info", user=1000),
    Machine(
        "the engine can not be installed",
        3,
        "can not be installed: E: Unable to locate package docker.io",
        fails="docker info|flock*sh -c*",
        says="E: Unable to locate package docker.io",
        dockerd=None,
    ),
    Machine(
        "the engine does not start",
        3,
        "the Docker engine ended: failed to start daemon: no permission",
        fails="docker info",
        dockerd="echo 'failed to start daemon: no permission' >&2; exit 1",
    ),
    Machine("the engine starts and does not answer", 3, "does not answer", fails="docker info", limit=2),
    Machine("the engine hangs", 3, "the Docker engine stopped answering", hangs="docker info --format*"),
    Machine("next to no time", 3, "NOTHING WAS PROVEN", limit=1, hangs="*/build.sh*"),
    Machine("a full disk", 3, "1000 MB free; 8000 MB are needed", free=10**6),
    Machine(
        "no container starts",
        3,
        "no container can be started: unshare: operation not permitted",
        fails="docker run*",
        says="unshare: operation not permitted",
    ),
    Machine("no image can be pulled", 0, "proven", fails=NO_IMAGE),
    Machine("no package index", 3, "the package index does not answer", fails=f"{NO_IMAGE}|*pip download*"),
    Machine("a slow package index", 3, "fetching packages took too long", fails=NO_IMAGE, hangs="*pip*"),
    Machine(
        "pins that can not be had",
        1,
        "ResolutionImpossible",
        fails=f"{NO_IMAGE}|*pip download*submission.lock*",
        says="ResolutionImpossible",
    ),
    Machine(
        "no base image can be made", 3, "no base image can be made", fails=f"{NO_IMAGE}|*/local_base.sh*"
    ),
    Machine("a build that hangs", 3, "building the image submission took too long", hangs=BUILD),
    Machine("a build that fails", 1, "no such package", fails=BUILD, says="no such package"),
    Machine("a test that fails", 1, "testing", fails="*pytest*"),
    Machine("an internal error of pytest, whose status is 3", 1, "testing", fails="*pytest*", status=3),
    Machine("tests that take too long", 3, "no test was done in 60 s", hangs="*pytest*"),
    Machine("time for two tests", 3, "TIME RAN OUT AFTER 2 TESTS, WHICH PASSED", hangs="*pytest*", passing="one two"),
)  # fmt: skip


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run_ci(machine: Machine, tmp_path: Path, root: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    commands, temporary = tmp_path / "bin", tmp_path / "temporary"
    commands.mkdir(exist_ok=True)
    temporary.mkdir()
    for tool in TOOLS:
        (commands / tool).symlink_to(shutil.which(tool) or "not there")
    hangs, fails = machine.hangs.replace(" ", "\\ "), machine.fails.replace(" ", "\\ ")
    script(commands / "timeout", TIMEOUT.replace("$HANGS", hangs).replace("$FAILS", fails))
    script(commands / "id", f"echo {machine.user}")
    script(commands / "df", f"echo avail; echo {machine.free}")
    script(commands / "setpriv", 'while [ "$1" != dockerd ]; do shift; done; exec "$@"')
    script(commands / "python", PYTHON)
    if machine.dockerd is not None:
        script(commands / "dockerd", machine.dockerd.replace("sleep", "exec sleep"))
    environment = {
        "PATH": str(commands),
        "PYTHON": "python",
        "REAL_PYTHON": sys.executable,
        "TMPDIR": str(temporary),
        "LIMIT": str(machine.limit),
        "SAYS": machine.says,
        "STATUS": str(machine.status),
        "PASS": machine.passing,
        **more,
    }
    environment = {name: value for name, value in environment.items() if value}
    done = subprocess.run([root / "docker/ci.sh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == machine.ends, done.stdout + done.stderr
    assert machine.told in done.stdout + done.stderr
    assert (BOX in done.stderr) == (machine.ends == 3 and not machine.passing)
    assert list(temporary.iterdir()) == []
    return done


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.what)
def test_a_failure_of_the_machine_is_told_apart_from_one_of_ours(machine: Machine, tmp_path: Path) -> None:
    run_ci(machine, tmp_path)


SETUP = 'if [ "$1" = setup ]; then mkdir -p .venv/bin && cp "$(command -v python)" .venv/bin/python; fi'
# (what, run.sh of the clone, PYTHON, how it ends, what is told)
CLONES = (
    ("makes what the tests need", SETUP, "", 0, "from here on the 60 s count"),
    ("takes no other Python than that", f"{SETUP}; rm .venv/bin/python", "", 1, "though they were installed"),
    ("a machine without a package index", "echo no index >&2; exit 1", "", 3, ".venv can not be made: no index"),
    ("a Python that lacks packages", SETUP, "bare", 1, "bare lacks packages of requirements-dev.txt"),
)


@pytest.mark.parametrize(("what", "setup", "python", "ends", "told"), CLONES, ids=[clone[0] for clone in CLONES])
def test_a_fresh_clone(what: str, setup: str, python: str, ends: int, told: str, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "docker", clone / "docker")
    script(clone / "run.sh", setup)
    (tmp_path / "bin").mkdir()
    for name in ("bare", "python3"):
        script(tmp_path / "bin" / name, "echo 'No module named pytest' >&2; exit 1")
    (tmp_path / "bin/cp").symlink_to(shutil.which("cp") or "not there")
    run_ci(Machine(what, ends, told), tmp_path, clone, PYTHON=python)
