"""`pip install` takes along every package and every file that the code reads."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

from tests.test_floors import PRESENT, ROOT, tracked_files

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def test_every_package_is_declared() -> None:
    declared = find_packages(str(ROOT), include=SETUPTOOLS["packages"]["find"]["include"])
    there = {path.parent.as_posix().replace("/", ".") for path in tracked_files(".py") if path.parts[0] in PRESENT}
    assert set(declared) == there


def test_every_file_of_data_is_declared() -> None:
    there = {path for path in tracked_files("") if path.parts[0] in PRESENT and path.suffix != ".py"}
    declared = {
        path.relative_to(ROOT)
        for room, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in (ROOT / room).glob(pattern)
    }
    assert declared == there


@pytest.mark.slow
def test_a_wheel_runs_without_the_repository(tmp_path: Path) -> None:
    copy, wheels, site = tmp_path / "copy", tmp_path / "wheels", tmp_path / "site"
    for path in tracked_files(""):
        if path.parts[0] in (*PRESENT, "pyproject.toml", "README.md", "LICENSE"):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copy / path)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, "."]
    subprocess.run(build, cwd=copy, check=True, capture_output=True, timeout=300)
    (wheel,) = wheels.glob("fbc2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    packed = {path.relative_to(site) for path in site.rglob("*") if path.is_file() and path.parts[-2] != "__pycache__"}
    there = {path for path in tracked_files("") if path.parts[0] in PRESENT}
    assert {path for path in packed if path.parts[0] in PRESENT} == there
    code = "import contest.reading, models.bpe; print(contest.VERSION, contest.__file__)"
    printed = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout
    assert str(site) in printed
