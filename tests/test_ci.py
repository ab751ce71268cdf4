"""What CI runs in which order, and what it makes of the proofs: all count, and each says all of it in one piece."""

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import DEAREST, order

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


@pytest.mark.parametrize(("tests", "containers", "slurm", "rest", "ends"), CASES)
def test_all_proofs_count(tests: int, containers: int, slurm: int, rest: int, ends: int, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / "docker/slurm").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "run.sh").write_text(f"exit {tests}")
    for name, status in (("docker/ci.sh", containers), ("docker/slurm/prove.sh", slurm)):
        (tmp_path / name).write_text(PROOF.format(status=status, third=rest))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chromium").symlink_to("/bin/true")
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = subprocess.run([tmp_path / ".ci/run"], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
    waits = "test_queue_on_slurm or test_training_on_slurm"
    parts = () if tests else ("ci.sh", f"prove.sh {waits}", f"prove.sh not ({waits})")
    assert done.stdout.splitlines() == [f"{part} {says}" for part in parts for says in ("begins with 480 s", "ends")]
    for waiting in waits.split(" or "):
        assert (ROOT / f"tests/cluster/{waiting}.py").is_file()


def test_dear_files_and_those_of_few_tests_come_first() -> None:
    files = ["a", "b", "b", "c", "c", DEAREST[1], DEAREST[1], DEAREST[0], "d"]
    items: list[Any] = [SimpleNamespace(location=(file, number, "")) for number, file in enumerate(files)]
    ordered = sorted(items, key=order(items))
    assert [item.location[0] for item in ordered] == [DEAREST[0], DEAREST[1], DEAREST[1], "a", "d", *"bbcc"]
    assert [item.location[1] for item in ordered] == [7, 5, 6, 0, 8, 1, 2, 3, 4]
    assert [file for file in DEAREST if not (ROOT / file).is_file()] == []
