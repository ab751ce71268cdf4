"""Has the `mathematics_dataset` package make problems.

The package is optional: `pip install mathematics-dataset==1.0.1`. It makes two to three hundred problems a second.
It also draws from sets, whose order Python shuffles in each process: so it runs in one whose order is fixed.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contest.children import end_with_parent
from contest.console import say, show
from data_prep.records import SourceError, SourceRecord

PACKAGE = "mathematics_dataset"
NOT_INSTALLED = 3
# sympy has moved what the package imports from the first place to the second.
_OLD_PLACE, _NEW_PLACE = "sympy.solvers.diophantine", "sympy.solvers.diophantine.diophantine"
_MOVED = "base_solution_linear"
_ROOT = Path(__file__).resolve().parents[3]


def generate(modules: Sequence[str], count: int, seed: int) -> Iterator[SourceRecord]:
    """Yield so many problems of each module ("algebra__linear_1d"), the same ones for the same seed.

    Raises SourceError if the package is not installed, or fails.
    """
    paths = filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", __name__, str(os.getpid()), str(count), str(seed), *modules]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None, "it is a pipe"
        try:
            for line in process.stdout:
                place, question, answer = json.loads(line)
                yield SourceRecord(PACKAGE, place, (question.encode(), answer.encode()))
        except BaseException:  # nobody wants the rest
            process.kill()
            raise
    if process.returncode == NOT_INSTALLED:
        raise SourceError(PACKAGE, "", "not installed; pip install mathematics-dataset==1.0.1")
    if process.returncode:
        raise SourceError(PACKAGE, "", f"it ended with status {process.returncode}; what it wrote above says why")


def _write_problems(count: int, seed: int, modules: Sequence[str]) -> int:
    """Write [place, question, answer] of each problem as a line of JSON; return the exit status."""
    try:
        makers = _makers(modules)
    except ImportError as error:
        say(f"data_prep: {error}")
        return NOT_INSTALLED
    # The package draws from the two global generators, which nobody else in this process does.
    random.seed(seed)
    np.random.seed(seed % 2**32)
    for module, maker in makers.items():
        for number in range(count):
            problem = maker()
            show(json.dumps([f"{module} {number}", str(problem.question), str(problem.answer)]))
    return 0


def _makers(modules: Sequence[str]) -> dict[str, Any]:
    """The package's makers of problems, by module. Raises ImportError."""
    old, new = importlib.import_module(_OLD_PLACE), importlib.import_module(_NEW_PLACE)
    if not hasattr(old, _MOVED):
        setattr(old, _MOVED, getattr(new, _MOVED))
    rooms = {name: importlib.import_module(f"{PACKAGE}.modules.{name}") for name in ("algebra", "comparison")}
    made: dict[str, Any] = {}
    for module in modules:
        room, name = module.split("__")
        made[module] = rooms[room].train(lambda entropy: entropy)[name]
    return made


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who started it says the word
    sys.exit(_write_problems(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
