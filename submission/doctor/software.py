"""Versions of Python and of the packages that a run imports, against those that it was tested with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from submission.doctor.diagnosis import Diagnosis

LEAST_PYTHON = (3, 11)
# Package: the name that it is imported under.
NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "pillow": "PIL.Image",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "tqdm": "tqdm",
}
HOW_TO_INSTALL = "use the image of docker/build.sh, or install requirements.txt"
REQUIREMENTS_NAME = "requirements.txt"


def look_at_software(root: Path) -> Iterator[Diagnosis]:
    """Yield a reading for Python and for each package; `root` is the folder with `requirements.txt`, if any."""
    installed = platform.python_version()
    if sys.version_info < LEAST_PYTHON:
        yield Diagnosis("python", installed, "error", f"use Python {'.'.join(map(str, LEAST_PYTHON))} or newer")
    else:
        yield Diagnosis("python", installed)
    pins = read_pins(root / REQUIREMENTS_NAME)
    for name, module in NEEDED.items():
        yield package(name, module, pins.get(name))


def package(name: str, module: str, pinned: str | None) -> Diagnosis:
    """A package as installed and imported, against the version it was tested with (None: not known here)."""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Diagnosis(name, "not installed", "error", HOW_TO_INSTALL)
    try:
        import_module(module)
    except Exception as error:  # a package that is broken may raise anything
        value = f"{installed}, can not be imported: {type(error).__name__}: {error}"
        return Diagnosis(name, value, "error", HOW_TO_INSTALL)
    if pinned is not None and installed.partition("+")[0] != pinned:
        return Diagnosis(name, f"{installed}, tested with {pinned}", "warning", f"install {name}=={pinned}")
    return Diagnosis(name, installed)


def read_pins(path: Path) -> dict[str, str]:
    """Return the versions that a requirements file pins, by package; none where there is no file, as in an archive."""
    if not path.is_file():
        return {}
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {name.strip().lower(): pinned.strip() for name, pinned in pairs}
