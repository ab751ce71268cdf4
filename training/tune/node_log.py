"""What the log tells of each node of a training: its memory, and how long it waited for its data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch.distributed as dist

from training.tune.callbacks.log import peak_memory
from training.tune.nodes import ProcessPlace


class NodeLog:
    """Adds up what a process waits, and gathers the figures of all nodes: of each the largest of its processes."""

    def __init__(self, place: ProcessPlace, world: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._world, self._clock = place, world, clock
        self._waited = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of the enclosed work as waiting for data."""
        begun = self._clock()
        yield
        self._waited += self._clock() - begun

    def row(self) -> dict[str, float]:
        """Return `node<number>_<what>` since the last row, nothing for one node; all processes must call."""
        own, self._waited = {"wait_seconds": self._waited, **peak_memory()}, 0.0
        if self._place.nodes == 1:
            return {}
        gathered: list[tuple[int, dict[str, float]]] = [(0, {})] * self._world
        dist.all_gather_object(gathered, (self._place.node, own))
        found: dict[str, float] = {}
        for node, values in sorted(gathered, key=lambda one: one[0]):
            for name, value in values.items():
                key = f"node{node}_{name}"
                found[key] = max(value, found.get(key, value))
        return found
