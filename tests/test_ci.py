"""What CI makes of the proofs that it runs beside each other: both count, and each says all of it in one piece."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASES = (  # how the tests, the containers' proof and Slurm's end, and how CI does
    (0, 0, 0, 0),
    (0, 3, 3, 0),
    (0, 1, 0, 1),
    (0, 0, 1, 1),
    (0, 3, 143, 1),
    (1, 0, 0, 1),
)


@pytest.mark.parametrize(("tests", "containers", "slurm", "ends"), CASES)
def test_both_proofs_count(tests: int, containers: int, slurm: int, ends: int, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / "docker/slurm").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "run.sh").write_text(f"exit {tests}")
    # Each waits for the other: one that is run alone waits in vain.
    for name, other, status in (("ci", "prove", containers), ("prove", "ci", slurm)):
        path = tmp_path / {"ci": "docker/ci.sh", "prove": "docker/slurm/prove.sh"}[name]
        meets = f"touch {name}; for _ in $(seq 600); do [ -e {other} ] && break; sleep 0.05; done; [ -e {other} ]"
        path.write_text(
            f"#!/bin/bash\necho {name} begins with $LIMIT s\n{meets} || exit 9\necho {name} ends\nexit {status}"
        )
        path.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chromium").symlink_to("/bin/true")
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    done = subprocess.run([tmp_path / ".ci/run"], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
    says = ["ci begins with 480 s", "ci ends", "prove begins with 480 s", "prove ends"]
    assert done.stdout.splitlines() == ([] if tests else says)
