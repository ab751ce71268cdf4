"""Has the `mathematics_dataset` package make problems.

The package is optional: `pip install mathematics-dataset==1.0.1`. It makes two to three hundred problems a second.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_prep.records import SourceError, SourceRecord

PACKAGE = "mathematics_dataset"
# sympy has moved what the package imports from the first place to the second.
_OLD_PLACE, _NEW_PLACE = "sympy.solvers.diophantine", "sympy.solvers.diophantine.diophantine"
_MOVED = "base_solution_linear"


def generate(modules: Sequence[str], count: int, seed: int) -> Iterator[SourceRecord]:
    """Yield so many problems of each module ("algebra__linear_1d"), the same ones for the same seed.

    Raises SourceError if the package is not installed.
    """
    makers = _makers(modules)
    # The package draws from the two global generators, which nobody else in this process does.
    random.seed(seed)
    np.random.seed(seed % 2**32)
    for module, maker in makers.items():
        for number in range(count):
            problem = maker()
            value = (str(problem.question).encode(), str(problem.answer).encode())
            yield SourceRecord(PACKAGE, f"{module} {number}", value)


def _makers(modules: Sequence[str]) -> dict[str, Any]:
    try:
        old, new = importlib.import_module(_OLD_PLACE), importlib.import_module(_NEW_PLACE)
        if not hasattr(old, _MOVED):
            setattr(old, _MOVED, getattr(new, _MOVED))
        rooms = {name: importlib.import_module(f"{PACKAGE}.modules.{name}") for name in ("algebra", "comparison")}
    except ImportError as error:
        raise SourceError(PACKAGE, "", f"not installed ({error}); pip install mathematics-dataset==1.0.1") from error
    made: dict[str, Any] = {}
    for module in modules:
        room, name = module.split("__")
        made[module] = rooms[room].train(lambda entropy: entropy)[name]
    return made
