"""The lock files: every package that the requirements lead to, one version each, and hashes of every file of it."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = {  # lock: what it is made of
    "requirements.lock": "requirements.txt",
    "requirements-tune.lock": "requirements-tune.txt",
    "requirements-dev.lock": "requirements-dev.txt",
    "requirements-bpe.lock": "requirements-bpe.txt",
    "docker/torch.lock": "docker/torch.lock",
    "docker/submission.lock": "docker/submission.txt",
    "docker/evaluation.lock": "docker/evaluation.txt",
}
# Never locked: published as different files for a CPU and for each CUDA; what only torch brings along goes with it.
TORCH_BRINGS = re.compile(r"torch|triton|cuda-.*|nvidia-(?!ml-py).*")


@dataclass(frozen=True)
class Pin:
    """One entry of a lock file."""

    version: str
    hashes: tuple[str, ...]


def lock(name: str) -> dict[str, Pin]:
    """Read a lock file: package, version, hashes."""
    entries = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    found = {}
    for entry in (entry for entry in entries if not entry.startswith("#")):
        package, pinned = entry.split()[0].split("==")
        assert package not in found, f"{name} names {package} twice"
        found[package] = Pin(pinned, tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})(?: |$)", entry)))
    return found


def required(name: str) -> dict[str, str]:
    """Read a requirements file and those it names: package, version ("" where none is said)."""
    found = {}
    for line in (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()):
        if line.startswith("-r "):
            found |= required(line[3:])
        elif line:
            package, _, pinned = line.partition("==")
            found[canonicalize_name(package)] = pinned
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_torch_is_not_among_them(name: str) -> None:
    pins = lock(name)
    assert pins
    assert [package for package, pin in pins.items() if not pin.hashes] == []
    assert [package for package in pins if TORCH_BRINGS.fullmatch(package)] == []


@pytest.mark.parametrize(("name", "source"), [(name, source) for name, source in LOCKS.items() if name != source])
def test_a_lock_holds_what_its_requirements_ask_for(name: str, source: str) -> None:
    pins, asked = lock(name), {package: pinned for package, pinned in required(source).items() if package != "torch"}
    assert {package: pins[package].version for package, pinned in asked.items() if pinned} == {
        package: pinned for package, pinned in asked.items() if pinned
    }, "run docker/lock.sh"
    assert asked.keys() <= pins.keys()


def test_all_locks_agree() -> None:
    largest = lock("requirements-dev.lock")
    for name in set(LOCKS) - {"requirements-bpe.lock"}:
        assert {package: largest[package] for package in lock(name)} == lock(name), "run docker/lock.sh"


def test_torch_is_pinned_by_its_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", required("requirements.txt")["torch"])


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_what_a_locked_package_needs_is_locked_too(name: str) -> None:
    environment = {**default_environment(), "extra": ""}
    pins = lock(name)
    missing = []
    for package in [*pins, "torch"]:
        try:
            needs = [Requirement(line) for line in requires(package) or []]
            same = package == "torch" or version(package) == pins[package].version
        except PackageNotFoundError:  # of another system
            continue
        for need in needs if same else []:
            known = canonicalize_name(need.name)
            if (need.marker is None or need.marker.evaluate(environment)) and not TORCH_BRINGS.fullmatch(known):
                missing += [f"{package} needs {known}"] if known not in pins else []
    assert missing == []


@pytest.mark.parametrize(("file", "ends"), [("sound", 0), ("tampered", 1)])
def test_pip_takes_only_the_files_that_were_locked(file: str, ends: int, tmp_path: Path) -> None:
    """A wheel whose bytes differ from the lock's is refused, by the options that run.sh and the images use."""
    wheel = tmp_path / "parcel-1.0-py3-none-any.whl"
    content = tmp_path / "content"
    (content / "parcel-1.0.dist-info").mkdir(parents=True)
    (content / "parcel.py").write_text("")
    (content / "parcel-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n")
    (content / "parcel-1.0.dist-info/WHEEL").write_text(
        "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    (content / "parcel-1.0.dist-info/RECORD").write_text("")
    shutil.make_archive(str(wheel.with_suffix("")), "zip", content)
    wheel.with_suffix(".zip").rename(wheel)
    hashed = subprocess.run([sys.executable, "-m", "pip", "hash", wheel], capture_output=True, text=True, check=True)
    (digest,) = re.findall(r"--hash=sha256:[0-9a-f]{64}", hashed.stdout)
    (tmp_path / "parcel.lock").write_text(f"parcel==1.0 \\\n    {digest}\n")
    if file == "tampered":
        wheel.write_bytes(wheel.read_bytes() + b" ")
    (options,) = set(
        re.findall(r"pip install (--require-hashes --no-deps) -r", (ROOT / "docker/Dockerfile").read_text())
    )
    assert options in (ROOT / "run.sh").read_text()
    arguments = ["install", *options.split(), "--no-index", "--find-links", tmp_path, "--target", tmp_path / "there"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "-r", tmp_path / "parcel.lock"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends, done.stderr
    assert (tmp_path / "there/parcel.py").is_file() == (ends == 0)
    assert ("DO NOT MATCH THE HASHES" in done.stderr) == (ends == 1)
