"""What CI runs in which order, and what it makes of the proofs: all count, and each says all of it in one piece."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import DEAREST, order
from tests.passed import hang_seconds

ROOT = Path(__file__).parents[1]
CASES = (  # how the tests, the containers' proof and both parts of Slurm's end, and how CI does
    (0, 0, 0, 0, 0),
    (0, 3, 3, 3, 0),
    (0, 1, 0, 0, 1),
    (0, 0, 1, 0, 1),
    (0, 3, 3, 143, 1),
    (1, 0, 0, 0, 1),
)
# Each waits for the others: one that is run alone waits in vain.
PROOF = """#!/bin/bash
part="$(basename "$0")${{2:+ $2}}"
echo "$part begins with $LIMIT s"
touch "began: $part"
for _ in $(seq 600); do [ "$(ls | grep -c began:)" -eq 3 ] && break; sleep 0.05; done
[ "$(ls | grep -c began:)" -eq 3 ] || exit 9
echo "$part ends"
case "$part" in *"not ("*) exit {third} ;; *) exit {status} ;; esac
"""
STOPPED = """#!/bin/bash
part="$(basename "$0")${2:+ $2}"
trap 'kill "$!"; echo "$part is stopped"; exit 143' TERM
echo "$part begins"
sleep 60 >/dev/null 2>&1 &
touch "began: $part"
wait
"""


WAITS = "test_queue_on_slurm or test_training_on_slurm"
PARTS = ("ci.sh", f"prove.sh {WAITS}", f"prove.sh not ({WAITS})")


def begin(root: Path, tests: int, containers: str, slurm: str) -> subprocess.Popen[str]:
    (root / ".ci").mkdir()
    (root / "docker/slurm").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", root / ".ci/run")
    (root / "run.sh").write_text(f"exit {tests}")
    for name, proof in (("docker/ci.sh", containers), ("docker/slurm/prove.sh", slurm)):
        (root / name).write_text(proof)
        (root / name).chmod(0o755)
    (root / "bin").mkdir()
    (root / "bin/chromium").symlink_to("/bin/true")
    environment = {"PATH": f"{root / 'bin'}:/usr/bin:/bin", "TMPDIR": str(root / "bin")}
    pipe = subprocess.PIPE
    return subprocess.Popen([root / ".ci/run"], env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(("tests", "containers", "slurm", "rest", "ends"), CASES)
def test_all_proofs_count(tests: int, containers: int, slurm: int, rest: int, ends: int, tmp_path: Path) -> None:
    proofs = (PROOF.format(status=status, third=rest) for status in (containers, slurm))
    ci = begin(tmp_path, tests, *proofs)
    said, errors = ci.communicate()
    assert ci.returncode == ends, errors
    parts = () if tests else PARTS
    assert said.splitlines() == [f"{part} {says}" for part in parts for says in ("begins with 480 s", "ends")]
    for waiting in WAITS.split(" or "):
        assert (ROOT / f"tests/cluster/{waiting}.py").is_file()


def test_a_signal_ends_all_and_what_was_said_is_printed(tmp_path: Path) -> None:
    ci = begin(tmp_path, 0, STOPPED, STOPPED)
    while len(list(tmp_path.glob("began: *"))) < 3:
        assert ci.poll() is None
        time.sleep(0.02)
    ci.terminate()
    said, _ = ci.communicate(timeout=30)
    assert ci.returncode == -signal.SIGTERM
    assert said.splitlines() == [f"{part} {says}" for part in PARTS for says in ("begins", "is stopped")]
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["chromium"]


@pytest.mark.parametrize(("limit", "seconds"), [("60", 120), ("360", 120), ("480", 160)])
def test_a_test_hangs_no_sooner_where_ci_leaves_less_time(
    limit: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMIT", limit)
    assert hang_seconds(3) == seconds


def test_dear_files_and_those_of_few_tests_come_first() -> None:
    files = ["a", "b", "b", "c", "c", DEAREST[1], DEAREST[1], DEAREST[0], "d"]
    items: list[Any] = [SimpleNamespace(location=(file, number, "")) for number, file in enumerate(files)]
    ordered = sorted(items, key=order(items))
    assert [item.location[0] for item in ordered] == [DEAREST[0], DEAREST[1], DEAREST[1], "a", "d", *"bbcc"]
    assert [item.location[1] for item in ordered] == [7, 5, 6, 0, 8, 1, 2, 3, 4]
    assert [file for file in DEAREST if not (ROOT / file).is_file()] == []
