"""What is dear to make is made once for all processes of the tests, whichever of them wants it first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contest.atomic import locked


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled, in this process or in another one; nobody may change anything in it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own in the one of all
    folder, done = base / name, base / f"{name} is made"
    with locked(base / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another process came to grief with
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
